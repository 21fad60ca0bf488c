"""The teacher sees what it was trained to see, and its hints teach."""

import numpy as np
import pytest
import torch

from edge.signer import draw_hand
from train.landmarker import HINTS, SIZE_PX, Landmarker, pooled
from train.loss import normalise
from train.model import AslNet, Moments
from train.teacher import Learner


def test_maps_are_those_that_the_crops_store():
    maps = Landmarker()(np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8))
    assert {name: seen.shape for name, seen in maps.items()} == HINTS


def test_the_same_letter_of_two_people_looks_more_alike_than_two_letters():
    rng, teacher = np.random.default_rng(0), Landmarker()

    def seen(letter: str) -> np.ndarray:
        drawn = draw_hand(rng, letter, SIZE_PX, hand_fraction=(0.6, 0.7), turn_deg=5, left=False)
        return teacher(drawn.image)["at_32"].mean(axis=(1, 2))

    b, y = [seen("B") for _ in range(4)], [seen("Y") for _ in range(4)]
    within = np.linalg.norm(b[0] - b[1]) + np.linalg.norm(y[0] - y[1])
    assert within < np.linalg.norm(b[2] - y[2]) + np.linalg.norm(b[3] - y[3])


def test_pooling_is_that_of_the_student():
    maps = np.random.default_rng(0).random((5, 7, 7), np.float32)
    for cells in (3, 7):
        theirs = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps), cells).numpy()
        np.testing.assert_allclose(pooled(maps, cells), theirs, atol=1e-6)


def test_student_comes_nearer_to_the_teacher():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    learner = Learner(AslNet()).train()
    optimizer = torch.optim.AdamW(learner.parameters(), lr=1e-3)
    batch = normalise(torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8))
    wanted = [torch.randn(8, *shape) for shape in HINTS.values()]
    hints = []
    for _ in range(8):
        _, hint = learner(batch, wanted)
        optimizer.zero_grad()
        hint.backward()
        optimizer.step()
        hints.append(float(hint.detach()))
    assert hints[-1] < 0.9 * hints[0]


@pytest.mark.parametrize("size_px", [32, 96, 128])
def test_any_size_of_crop_meets_the_same_hints(size_px):
    answers, hint = Learner(AslNet())(
        torch.randn(2, 3, size_px, size_px), [torch.randn(2, *shape) for shape in HINTS.values()]
    )
    assert [tuple(answer.shape) for answer in answers] == [(2, 26), (2, 1), (2, 21, 2)]
    assert 0.5 < hint.item() < 2


def test_moments_say_what_and_where():
    maps = torch.zeros(1, 2, 3, 3)
    maps[0, 0] = 1.0  # everywhere
    maps[0, 1, 2, 0] = 9.0  # bottom left
    assert Moments()(maps)[0].tolist() == pytest.approx([1, 1, 0, -1, 0, 1], abs=1e-6)
