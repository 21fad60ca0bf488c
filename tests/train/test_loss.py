"""The losses of training."""

import pytest
import torch

from edge.records import LETTERS
from train.crops.labels import NO_LETTER
from train.fit.loss import MOVING_LOG_PRIOR, letter_loss


@pytest.mark.parametrize(("still", "moving"), [("D", "Z"), ("I", "J")])
def test_still_that_may_be_either_letter_is_learned_as_the_one_that_does_not_move(still, moving):
    labels = torch.tensor([LETTERS.index(still), LETTERS.index(moving)])
    logits = torch.zeros(1, len(LETTERS), requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=1.0)
    for _ in range(300):  # the same picture, labelled with both letters equally often
        optimizer.zero_grad()
        letter_loss(logits.expand(2, -1), labels).backward()
        optimizer.step()
    difference = (logits[0, labels[0]] - logits[0, labels[1]]).item()
    assert difference == pytest.approx(MOVING_LOG_PRIOR, abs=0.05)


def test_crop_without_a_letter_has_no_letter_loss():
    logits = torch.randn(2, len(LETTERS), generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([NO_LETTER, 3])
    torch.testing.assert_close(letter_loss(logits, labels), letter_loss(logits[1:], labels[1:]))
