"""Turning and mirroring, against numpy's own."""

import numpy as np
import pytest

from edge.cameras import open_camera
from edge.cameras.orientation import Orientation, oriented
from edge.errors import CameraError

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
ALL = [Orientation(flip, degrees) for flip in (False, True) for degrees in (0, 90, 180, 270)]


@pytest.mark.parametrize("orientation", ALL, ids=str)
def test_turn_is_clockwise_and_then_mirrored(orientation: Orientation) -> None:
    expected = np.rot90(IMAGE, -orientation.rotation_deg // 90)
    if orientation.flip:
        expected = expected[:, ::-1]
    result = oriented(IMAGE, orientation)
    assert np.array_equal(result, expected)
    assert orientation.size((6, 4)) == (result.shape[1], result.shape[0])


@pytest.mark.parametrize("orientation", ALL, ids=str)
def test_flips_of_the_hardware_and_the_rest_afterwards_are_the_same(orientation: Orientation) -> None:
    from_hardware = IMAGE[:: -1 if orientation.vflip else 1, :: -1 if orientation.hflip else 1]
    assert np.array_equal(
        oriented(np.ascontiguousarray(from_hardware), orientation, flips_done=True),
        oriented(IMAGE, orientation),
    )


@pytest.mark.parametrize("spec", ["synthetic:HELLO", "replay:somewhere"])
def test_turn_of_a_camera_that_is_none_is_refused(spec: str) -> None:
    with pytest.raises(CameraError, match=f"{spec} is no live camera: leave out --hflip and --rotation-deg"):
        open_camera(spec, orientation=Orientation(flip=True))
