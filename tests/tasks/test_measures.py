import math

import pytest
import torch

from gatewise.tasks.measures import fit_temperature, measure_classes, measure_numbers
from gatewise.tasks.outcomes import ClassOutcome

SURE = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
TARGETS = torch.tensor([0, 1, 1, 2])


def test_classes_by_hand():
    found = measure_classes(SURE, TARGETS)
    assert found.figures["accuracy"] == 0.75
    # F1 of the classes: 2/3, 2/3, 1
    assert found.figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert found.confusion == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    loss = -sum(map(math.log, (0.9, 0.7, 0.3, 0.8))) / 4
    assert found.figures["loss"] == pytest.approx(loss, rel=1e-6)
    # every confidence in a bin of its own: 0.9 right, 0.7 right, 0.6 wrong, 0.8 right
    error = (0.1 + 0.3 + 0.6 + 0.2) / 4
    assert found.figures["calibration_error"] == pytest.approx(error, rel=1e-5)
    sizes = [size for _, _, size in found.reliability]
    assert sizes == [1, 1, 1, 1]


def test_distances_of_ordered_classes():
    assert measure_classes(SURE, torch.tensor([2, 1, 1, 2]), True).figures["steps_off"] == 0.75


def test_a_class_that_never_occurs_is_no_error():
    assert measure_classes(SURE[:2], TARGETS[:2]).figures["macro_f1"] == 1.0


def test_numbers_by_hand():
    found = measure_numbers(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 5.0])).figures
    assert found == pytest.approx({"mae": 1.0, "rmse": math.sqrt(2), "r2": 0.5})
    assert "r2" not in measure_numbers(torch.ones(3), torch.ones(3)).figures


def test_the_temperature_is_found():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4000, 4, generator=generator)
    targets = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    for factor in (0.5, 1.0, 3.0):
        found = fit_temperature(ClassOutcome(4), factor * logits, targets)
        assert found == pytest.approx(factor, rel=0.1)


def test_without_an_error_the_model_is_as_sure_as_its_examples_are_many():
    """Outputs that are right throughout would else be made endlessly sure."""
    for count in (50, 500):
        targets = torch.arange(count) % 3
        logits = 9.0 * torch.nn.functional.one_hot(targets, 3)
        sure = (logits / fit_temperature(ClassOutcome(3), logits, targets)).softmax(-1).amax()
        # one example more that is wrong in two of three classes
        assert sure == pytest.approx((count + 1 / 3) / (count + 1), abs=1e-4)
