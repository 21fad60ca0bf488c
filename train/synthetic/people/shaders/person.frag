#version 330
uniform sampler2DShadow shadow_map;
uniform mat4 to_lamp;
uniform vec3 lamp_way, lamp_rgb, room_rgb, below_rgb;
uniform float wrap, shadow, gloss, mottling, wrinkles;
uniform vec3 cloth_rgb, second_rgb, pattern, hair_rgb, nail_rgb;
in vec3 at, n, at_rest, skin_rgb;
in vec4 region;
in float from_crease;
out vec4 colour;

float hash(vec3 p) { return fract(sin(dot(p, vec3(12.9898, 78.233, 37.719))) * 43758.5453); }

float noise(vec3 p) {  // value noise, -0.5..0.5
  vec3 i = floor(p), f = fract(p);
  f = f * f * (3.0 - 2.0 * f);
  float a = mix(hash(i), hash(i + vec3(1, 0, 0)), f.x);
  float b = mix(hash(i + vec3(0, 1, 0)), hash(i + vec3(1, 1, 0)), f.x);
  float c = mix(hash(i + vec3(0, 0, 1)), hash(i + vec3(1, 0, 1)), f.x);
  float d = mix(hash(i + vec3(0, 1, 1)), hash(i + vec3(1, 1, 1)), f.x);
  return mix(mix(a, b, f.y), mix(c, d, f.y), f.z) - 0.5;
}

vec3 noise3(vec3 p, float step) { return vec3(noise(p), noise(p + step), noise(p + 2.0 * step)); }

float find_lit() {  // the fraction of the lamp's light that arrives
  vec4 seen = to_lamp * vec4(at, 1.0);
  vec3 place = seen.xyz / seen.w * 0.5 + 0.5;
  float sum = 0.0;
  for (int i = -1; i <= 1; i++)
    for (int j = -1; j <= 1; j++)
      sum += texture(shadow_map, vec3(place.xy + vec2(i, j) * 1.6 / textureSize(shadow_map, 0), place.z - 0.004));
  return 1.0 - shadow * (1.0 - sum / 9.0);
}

void main() {
  float cloth = region.x, hair = region.y, nail = region.z, face = region.w;
  bool flesh = cloth <= 0.0 && hair <= 0.0;
  float shine = gloss;
  vec3 rgb = skin_rgb * (1.0 + mottling * (0.6 * noise(at_rest * 60.0) + 0.4 * noise(at_rest * 350.0)));
  vec3 normal = normalize(normalize(n) + 0.12 * mottling * noise3(at_rest * 900.0, 7.0));
  rgb *= 1.0 - wrinkles * exp(-from_crease * from_crease / 1.2e-6);
  if (nail > 0.5) {
    rgb = mix(rgb, nail_rgb, 0.75);
    shine += 0.12;
  }
  if (face > 0.0) rgb *= vec3(0.55, 0.45, 0.42);
  if (hair > 0.0) {
    rgb = hair_rgb * (1.0 + 0.5 * noise(at_rest * vec3(400.0, 60.0, 400.0)));
    shine = 0.05;
  }
  if (cloth > 0.0) {
    float stripe = smoothstep(-0.1, 0.1, sin(dot(at_rest, pattern))) * step(0.001, dot(pattern, pattern));
    rgb = mix(cloth_rgb, second_rgb, stripe) * (1.0 + 0.1 * noise(at_rest * 500.0));
    normal = normalize(normal + 0.7 * noise3(at_rest * 22.0, 31.0));
    shine = 0.0;
  }
  float lit = find_lit(), facing = dot(normal, lamp_way);
  float direct = clamp((facing + wrap) / (1.0 + wrap), 0.0, 1.0);
  vec3 room = mix(below_rgb, room_rgb, 0.5 + 0.5 * normal.y);
  vec3 view = normalize(-at);
  float rim = 0.8 + 0.2 * clamp(dot(normal, view), 0.0, 1.0);
  float glint = pow(clamp(dot(normal, normalize(view + lamp_way)), 0.0, 1.0), 24.0) * shine * lit;
  // skin lets some red light through where the lamp's light fades
  vec3 soft = flesh ? vec3(0.10, 0.02, 0.0) * exp(-8.0 * facing * facing) * lit : vec3(0.0);
  colour = vec4(rgb * rim * (room + lamp_rgb * (direct * lit + soft)) + glint * lamp_rgb, 1.0);
}
