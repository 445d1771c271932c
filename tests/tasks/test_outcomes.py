import math

import pytest
import torch
from torch.nn import functional

from gatewise.tasks.outcomes import ClassOutcome, NumberOutcome, OrdinalOutcome


def test_classes_by_hand():
    outcome = ClassOutcome(2)
    outputs = torch.tensor([[0.0, math.log(3.0)]])
    assert outcome.probabilities(outputs)[0].tolist() == pytest.approx([0.25, 0.75])
    assert float(outcome.loss(outputs, torch.tensor([0.0]))) == pytest.approx(math.log(4))


def test_weights_let_classes_count_alike():
    weighted = ClassOutcome(2, torch.tensor([3.0, 1.0]))
    outputs, targets = torch.randn(8, 2), torch.tensor([0.0, 0, 1, 1, 1, 1, 1, 1])
    each = functional.cross_entropy(outputs, targets.long(), reduction="none")
    expected = (3 * each[:2].sum() + each[2:].sum()) / 12
    torch.testing.assert_close(weighted.loss(outputs, targets), expected)
    torch.testing.assert_close(weighted.loss(outputs, targets, "sum"), each.sum())


def test_ordered_classes_by_hand():
    outcome = OrdinalOutcome(3)
    assert outcome.outputs == 2
    outputs = torch.tensor([[math.log(3.0), 0.0]])  # above 0: 3/4, above 1: 1/2
    assert outcome.probabilities(outputs)[0].tolist() == pytest.approx([0.25, 0.25, 0.5])
    expected = -math.log(0.75) - math.log(0.5)
    assert float(outcome.loss(outputs, torch.tensor([1.0]))) == pytest.approx(expected)
    crossed = outcome.probabilities(torch.tensor([[-1.0, 2.0]]))
    assert (crossed >= 0).all()
    assert float(crossed.sum()) == pytest.approx(1.0)


def test_weights_of_ordered_classes():
    outputs, targets = torch.randn(4, 2), torch.tensor([0.0, 1, 2, 2])
    plain = OrdinalOutcome(3)
    each = torch.stack([plain.loss(outputs[k : k + 1], targets[k : k + 1]) for k in range(4)])
    weights = torch.tensor([2.0, 1.0, 0.5])
    expected = (each * weights[targets.long()]).sum() / weights[targets.long()].sum()
    torch.testing.assert_close(OrdinalOutcome(3, weights).loss(outputs, targets), expected)


def test_numbers_in_units_of_their_spread():
    outcome = NumberOutcome(10.0, 2.0)
    outputs = torch.tensor([[1.0], [0.0]])
    assert outcome.probabilities(outputs)[:, 0].tolist() == [12.0, 10.0]
    assert float(outcome.loss(outputs, torch.tensor([2.0, 0.0]))) == 0.5
    assert float(outcome.loss(outputs, torch.tensor([2.0, 0.0]), "sum")) == 1.0
