"""What a correction changes, and what it leaves alone."""

import numpy as np
import pytest
from support.signed_letters import make_examples

from edge.errors import TeachError
from edge.personalize.correction import fit, measure_accuracy
from edge.personalize.learning import learn


def test_confused_letters_are_told_apart_after_teaching() -> None:
    result, correction = learn(make_examples("MNE", "NME", 0), 1.0)
    assert (round(result.before, 2), result.after, result.held_back) == (0.33, 1.0, 12)
    assert measure_accuracy(make_examples("MNE", "NME", 1), correction) == 1.0
    assert "33% right before, 100% after" in result.sentence


def test_letters_that_were_not_taught_are_not_corrected() -> None:
    correction = fit(make_examples("MN", "NM", 0), 1.0)
    others = make_examples("ABCDEFGH", "ABCDEFGH", 2)
    assert np.array_equal(correction(others.features, others.logits), np.zeros_like(others.logits))


def test_result_names_the_letter_to_sign_as_well() -> None:
    result, _ = learn(make_examples("N", "E", 0), 1.0)
    assert not result.helps
    assert result.sentence.endswith("so it is not used. N is still read as E: sign E, too.")


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(TeachError, match="each letter needs at least 4 examples"):
        learn(make_examples("MN", "MN", 0, count=1), 1.0)
