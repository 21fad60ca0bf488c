"""Rotation and mirroring, compared with numpy's rot90 and reversed slices."""

import numpy as np
import pytest

from edge.cameras import open_camera
from edge.cameras.orientation import Orientation, orient
from edge.errors import CameraError

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
ALL = [Orientation(mirror, degrees) for mirror in (False, True) for degrees in (0, 90, 180, 270)]


@pytest.mark.parametrize("orientation", ALL, ids=str)
def test_picture_is_rotated_clockwise_and_then_mirrored(orientation: Orientation) -> None:
    expected = np.rot90(IMAGE, -orientation.rotation_deg // 90)
    if orientation.mirror:
        expected = expected[:, ::-1]
    result = orient(IMAGE, orientation)
    assert np.array_equal(result, expected)
    assert orientation.rotated_size((6, 4)) == (result.shape[1], result.shape[0])


@pytest.mark.parametrize("orientation", ALL, ids=str)
def test_hardware_flips_with_software_rotation_give_the_same_picture(orientation: Orientation) -> None:
    from_hardware = IMAGE[:: -1 if orientation.vflip else 1, :: -1 if orientation.hflip else 1]
    assert np.array_equal(
        orient(np.ascontiguousarray(from_hardware), orientation, already_flipped=True),
        orient(IMAGE, orientation),
    )


@pytest.mark.parametrize("spec", ["synthetic:HELLO", "replay:somewhere"])
def test_recordings_and_drawings_refuse_an_orientation(spec: str) -> None:
    with pytest.raises(
        CameraError, match=f"{spec} is not a live camera: leave out --hflip and --rotation-deg"
    ):
        open_camera(spec, orientation=Orientation(mirror=True))
