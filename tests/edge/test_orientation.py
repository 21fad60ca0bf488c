"""Turning and mirroring, against numpy's own."""

import numpy as np
import pytest

from edge.cameras import open_camera
from edge.cameras.orientation import Turn, turned
from edge.errors import CameraError

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
ALL = [Turn(flip, degrees) for flip in (False, True) for degrees in (0, 90, 180, 270)]


@pytest.mark.parametrize("turn", ALL, ids=str)
def test_turn_is_clockwise_and_then_mirrored(turn: Turn) -> None:
    expected = np.rot90(IMAGE, -turn.rotation_deg // 90)
    if turn.flip:
        expected = expected[:, ::-1]
    result = turned(IMAGE, turn)
    assert np.array_equal(result, expected)
    assert turn.size((6, 4)) == (result.shape[1], result.shape[0])


@pytest.mark.parametrize("turn", ALL, ids=str)
def test_flips_of_the_hardware_and_the_rest_afterwards_are_the_same(turn: Turn) -> None:
    from_hardware = IMAGE[:: -1 if turn.vflip else 1, :: -1 if turn.hflip else 1]
    assert np.array_equal(
        turned(np.ascontiguousarray(from_hardware), turn, flips_done=True), turned(IMAGE, turn)
    )


@pytest.mark.parametrize("spec", ["synthetic:HELLO", "replay:somewhere"])
def test_turn_of_a_camera_that_is_none_is_refused(spec: str) -> None:
    with pytest.raises(CameraError, match=f"{spec} is no live camera: leave out --flip and --rotation-deg"):
        open_camera(spec, turn=Turn(flip=True))
