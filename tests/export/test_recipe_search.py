"""Choose a quantisation recipe by its trials."""

from onnxruntime.quantization import CalibrationMethod, QuantType

from export.quantize import Recipe
from export.recipe_search import Trial, choose

SEVEN_BITS = Recipe(QuantType.QUInt8, True, CalibrationMethod.MinMax)
EIGHT_BITS = Recipe(QuantType.QInt8, False, CalibrationMethod.MinMax)
FIRST_FLOAT = Recipe(QuantType.QUInt8, True, CalibrationMethod.MinMax, first_float=True)


def trial(recipe: Recipe, cost_points: float, agreement: float = 0.99) -> Trial:
    return Trial(recipe, agreement, cost_points, logits_rms=0.1, points_mean=0.001, bytes=11_000_000)


def test_seven_bits_are_chosen_if_they_cost_at_most_0_3_points() -> None:
    assert choose([trial(SEVEN_BITS, 0.3), trial(EIGHT_BITS, -0.5, agreement=1.0)]) == SEVEN_BITS


def test_eight_bits_are_chosen_if_seven_cost_much_more() -> None:
    assert choose([trial(SEVEN_BITS, 0.9), trial(EIGHT_BITS, 0.5)]) == EIGHT_BITS


def test_seven_bits_are_chosen_if_eight_gain_too_little() -> None:
    assert choose([trial(SEVEN_BITS, 0.7), trial(EIGHT_BITS, 0.5)]) == SEVEN_BITS


def test_first_layer_stays_float_if_accuracy_needs_it() -> None:
    trials = [trial(SEVEN_BITS, 36.0, agreement=0.6), trial(EIGHT_BITS, 20.0), trial(FIRST_FLOAT, 0.0)]
    assert choose(trials) == FIRST_FLOAT


def test_first_layer_is_quantised_if_seven_bits_cost_nothing() -> None:
    assert choose([trial(FIRST_FLOAT, 0.0, agreement=1.0), trial(SEVEN_BITS, 0.1)]) == SEVEN_BITS


def test_recipe_that_changes_many_letters_is_not_chosen() -> None:
    assert choose([trial(SEVEN_BITS, 0.0, agreement=0.9), trial(FIRST_FLOAT, 0.0)]) == FIRST_FLOAT


def test_recipe_name_lists_its_options() -> None:
    assert SEVEN_BITS.name == "U8S8 reduce_range, MinMax"
    assert EIGHT_BITS.name == "S8S8, MinMax"
    assert FIRST_FLOAT.name == "U8S8 reduce_range, MinMax, first layer float"
