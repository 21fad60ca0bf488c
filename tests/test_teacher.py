"""The teacher's layers are those that its weights were trained in, and its hints teach."""

import numpy as np
import pytest
import torch

from edge.golden import golden_picture
from train.lite0 import Lite0, Lite0Net, load_lite0
from train.loss import normalise
from train.model import AslNet, Moments
from train.teacher import Learner, Teacher


@pytest.fixture(scope="module")
def teacher() -> Lite0:
    torch.set_num_threads(1)
    return load_lite0()


def test_maps_stand_at_stride_8_16_and_32(teacher):
    maps = teacher(torch.zeros(2, 3, 96, 96))
    assert [tuple(m.shape) for m in maps] == [(2, 40, 12, 12), (2, 112, 6, 6), (2, 1280, 3, 3)]


def test_features_are_those_of_the_reference_implementation(teacher):
    """Figures from efficientnet-lite-pytorch 0.1.0, `extract_features` of the golden picture at 96 px."""
    picture = torch.from_numpy(golden_picture(96).astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.no_grad():
        features = teacher(picture)[-1][0]
    assert float(features.mean()) == pytest.approx(0.551482, abs=1e-4)
    np.testing.assert_allclose(features[:4, 1, 1].numpy(), [0, 0, 1.784927, 0], atol=1e-3)


def test_student_comes_nearer_to_the_teacher(teacher):
    torch.manual_seed(0)
    learner = Learner(AslNet(), Teacher(Lite0Net(teacher), names_letters=False)).train()
    optimizer = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], lr=1e-3)
    batch = normalise(torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8))
    hints = []
    for _ in range(8):
        _, hint, divergence = learner(batch)
        assert not divergence.any()  # this teacher never learned letters
        optimizer.zero_grad()
        hint.backward()
        optimizer.step()
        hints.append(float(hint.detach()))
    assert hints[-1] < 0.9 * hints[0]


def test_without_a_teacher_there_is_no_hint():
    answers, hint, divergence = Learner(AslNet(), None)(torch.zeros(1, 3, 64, 64))
    assert [tuple(answer.shape) for answer in answers] == [(1, 26), (1, 1), (1, 21, 2)]
    assert (hint.item(), divergence.tolist()) == (0, [0])


def test_a_student_that_names_the_same_letters_does_not_diverge(teacher):
    torch.manual_seed(0)
    learner = Learner(Lite0Net(teacher), Teacher(Lite0Net(teacher), names_letters=True))
    with torch.no_grad():
        learner.teacher.fc.load_state_dict(learner.student.fc.state_dict())
        crops = torch.randn(2, 3, 64, 64)
        assert learner(crops)[2].tolist() == pytest.approx([0, 0], abs=1e-5)
        learner.student.fc.weight[:26] *= -3
        assert learner(crops)[2].min() > 0.01


def test_moments_say_what_and_where():
    maps = torch.zeros(1, 2, 3, 3)
    maps[0, 0] = 1.0  # everywhere
    maps[0, 1, 2, 0] = 9.0  # bottom left
    assert Moments()(maps)[0].tolist() == pytest.approx([1, 1, 0, -1, 0, 1], abs=1e-6)
