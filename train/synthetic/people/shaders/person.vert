#version 330
uniform mat4 projection;
in vec3 position;
in vec3 normal;
in vec3 rest;      // the vertex of the body at rest: what is painted sticks to it
in vec3 skin;
in vec4 regions;   // above 0: cloth, hair, dark parts of the face (w); nail (z) is 0 to 1
in float crease;   // metres along a finger from the nearest crease
out vec3 at, n, at_rest, skin_rgb;
out vec4 region;
out float from_crease;
void main() {
  at = position;
  n = normal;
  at_rest = rest;
  skin_rgb = skin;
  region = regions;
  from_crease = crease;
  gl_Position = projection * vec4(position, 1.0);
}
