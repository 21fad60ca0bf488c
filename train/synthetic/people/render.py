"""Render a posed body with OpenGL: skin, hair and clothes under one lamp and the light of a room.

It runs without a screen: EGL with Mesa's software renderer suffices.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.records import Image
from train.synthetic.people.body import Floats, Integers

SHADOW_MAP_PX, SHADOW_REACH_M = 1024, 1.1
NEAR_M, FAR_M = 0.05, 6.0
# Flesh in front blocks some of the surrounding light: reach in metres, and strength.
OCCLUSIONS = ((0.008, 40.0), (0.025, 16.0), (0.08, 4.0))
OCCLUSION_SCALE = 2  # it is computed at half of the side
SHADERS = Path(__file__).parent / "shaders"


@dataclass(frozen=True, eq=False)
class Paint:
    """The colours of a person. Regions are where a value is above 0: cloth, hair, dark parts of the face."""

    skin: Floats  # (V, 3) RGB 0..1
    regions: Floats  # (V, 4): cloth, hair, nail 0..1, dark parts of the face
    creases_m: Floats  # (V,) distance along a finger from the nearest crease of the palm's side
    raised_m: Floats  # (V,) hair and cloth above the skin
    cloth_rgb: Floats
    second_rgb: Floats
    pattern: Floats  # (3,) waves per metre of the stripes; 0 for none
    hair_rgb: Floats
    nail_rgb: Floats
    mottling: float
    wrinkles: float


@dataclass(frozen=True, eq=False)
class RoomLight:
    """The light around a person; `lamp_way` (3,) points to the lamp as the camera sees it."""

    lamp_way: Floats
    lamp_rgb: Floats
    room_rgb: Floats  # from above
    below_rgb: Floats
    wrap: float  # how far around the lamp reaches, 0..0.6
    shadow: float  # darkness of its shadows, 0..1
    gloss: float


class Renderer:
    """Renders squares of one size; one for each process."""

    def __init__(self, size_px: int) -> None:
        try:
            import moderngl
        except ImportError:
            raise DataError("made people need the package moderngl: run make venv-people") from None
        try:
            create: Any = moderngl.create_standalone_context
            self._gl: Any = create(backend="egl")
        except Exception as error:  # moderngl raises Exception itself
            raise DataError(
                f"OpenGL can't be used ({error}); on Debian: apt install libegl1 libgl1-mesa-dri"
            ) from None
        self.size_px = size_px
        self._program: Any = self._gl.program(**_read_shaders("person"))
        self._depth_program: Any = self._gl.program(**_read_shaders("shadow"))
        size = (size_px, size_px)
        self._colour = self._gl.texture(size, 4)
        self._depth = self._gl.depth_texture(size)
        self._frame = self._gl.framebuffer([self._colour], self._depth)
        self._shadow_map = self._gl.depth_texture((SHADOW_MAP_PX, SHADOW_MAP_PX))
        self._shadow_map.compare_func = "<="
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadow_frame = self._gl.framebuffer(depth_attachment=self._shadow_map)
        self._gl.enable(moderngl.DEPTH_TEST)

    def __call__(
        self,
        vertices: Floats,
        normals: Floats,
        rest: Floats,
        faces: Integers,
        paint: Paint,
        light: RoomLight,
        focal_px: float,
        centre: Floats,
    ) -> tuple[Image, npt.NDArray[np.float32]]:
        """Return (S, S, 3) RGB, black where nobody is, and the depth (S, S) in metres, inf where nobody is.

        vertices (V, 3), metres from the camera, which looks along -z. centre: (3,) what the lamp's shadows
        are computed around.
        """
        position = (vertices + normals * paint.raised_m[:, None]).astype("f4")
        columns = [
            position,
            normals,
            rest,
            paint.skin,
            paint.regions,
            paint.creases_m[:, None],
        ]
        data = self._gl.buffer(np.column_stack(columns).astype("f4").tobytes())
        index = self._gl.buffer(faces.astype("i4").tobytes())
        layout = (data, "3f 3f 3f 3f 4f 1f", "position", "normal", "rest", "skin", "regions", "crease")
        to_lamp = _look_from_lamp(light.lamp_way, centre)
        self._depth_program["projection"].write(_columns(to_lamp))
        self._shadow_frame.use()
        self._shadow_frame.clear(depth=1.0)
        depth_layout = (data, "3f 56x", "position")
        shadows = self._gl.vertex_array(self._depth_program, [depth_layout], index)
        shadows.render()
        self._frame.use()
        self._frame.clear(0, 0, 0, 0, depth=1.0)
        values: dict[str, Any] = {
            "lamp_way": light.lamp_way,
            "lamp_rgb": light.lamp_rgb,
            "room_rgb": light.room_rgb,
            "below_rgb": light.below_rgb,
            "wrap": light.wrap,
            "shadow": light.shadow,
            "gloss": light.gloss,
            "mottling": paint.mottling,
            "wrinkles": paint.wrinkles,
            "cloth_rgb": paint.cloth_rgb,
            "second_rgb": paint.second_rgb,
            "pattern": paint.pattern,
            "hair_rgb": paint.hair_rgb,
            "nail_rgb": paint.nail_rgb,
            "shadow_map": 0,
        }
        for name, value in values.items():
            self._program[name].value = tuple(map(float, value)) if np.ndim(value) else value
        self._program["projection"].write(_columns(_project(focal_px, self.size_px)))
        self._program["to_lamp"].write(_columns(to_lamp))
        self._shadow_map.use(0)
        person = self._gl.vertex_array(self._program, [layout], index)
        person.render()
        rgba = np.frombuffer(self._colour.read(), np.uint8).reshape(self.size_px, self.size_px, 4)[::-1]
        raw = np.frombuffer(self._depth.read(), np.float32).reshape(self.size_px, self.size_px)[::-1]
        for made in (person, shadows, data, index):
            made.release()
        depth = np.where(
            raw < 1, 2 * FAR_M * NEAR_M / (FAR_M + NEAR_M - (2 * raw - 1) * (FAR_M - NEAR_M)), np.inf
        )
        openness = _find_openness(depth.astype(np.float32), focal_px)
        return (rgba[:, :, :3] * openness[:, :, None]).clip(0, 255).astype(np.uint8), depth.astype(np.float32)


def _read_shaders(name: str) -> dict[str, Any]:
    """Return the vertex and the fragment shader of a program."""
    kinds = {"vertex_shader": "vert", "fragment_shader": "frag"}
    return {
        kind: (SHADERS / f"{name}.{suffix}").read_text(encoding="utf-8") for kind, suffix in kinds.items()
    }


@cache
def renderer(size_px: int) -> Renderer:
    """Return this process's renderer."""
    return Renderer(size_px)


def _columns(matrix: Floats) -> bytes:
    return bytes(matrix.T.astype("f4").tobytes())


def _project(focal_px: float, size_px: int) -> Floats:
    scale = 2 * focal_px / size_px
    a, b = -(FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    return np.array([[scale, 0, 0, 0], [0, scale, 0, 0], [0, 0, a, b], [0, 0, -1, 0]])


def _look_from_lamp(way: Floats, centre: Floats) -> Floats:
    """Return (4, 4), an orthographic view along -way around `centre`."""
    side = np.cross([0.0, 1, 0.01], way)
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(way, side), -way]) / SHADOW_REACH_M
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, -axes @ centre
    return matrix


def _find_openness(depth: npt.NDArray[np.float32], focal_px: float) -> npt.NDArray[np.float32]:
    """Return (S, S) the fraction of the surrounding light that nearby flesh does not block."""
    small = cv2.resize(
        np.where(np.isinf(depth), 0, depth),
        None,
        fx=1 / OCCLUSION_SCALE,
        fy=1 / OCCLUSION_SCALE,
        interpolation=cv2.INTER_NEAREST,
    )
    known = (small > 0).astype(np.float32)
    middle = float(np.median(small[known > 0])) if known.any() else 1.0
    openness: npt.NDArray[np.float32] = np.ones_like(small)
    for reach_m, strength in OCCLUSIONS:
        sigma = max(0.7, reach_m * focal_px / middle / OCCLUSION_SCALE)
        # a depth far behind counts as little farther, else every outline would shine
        mean = cv2.GaussianBlur(small, (0, 0), sigma) / cv2.GaussianBlur(known, (0, 0), sigma).clip(1e-3)
        in_front = (small - mean).clip(0, 0.6 * reach_m + 0.01)
        openness = openness / (1 + strength * np.clip(in_front - 0.0006, 0, 1))
    return np.asarray(cv2.resize(openness, depth.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
