"""Comparison of two models: alike, unlike, and parted at a known step."""

import pytest
import torch

import gatewise as gw
from gatewise.lens.comparison import compare_outputs, compare_states


def test_rotations_are_the_same_and_permutations_unit_by_unit():
    states = torch.randn(40, 5, 8, dtype=torch.float64)
    turned = compare_states(states, 2 * states @ torch.linalg.qr(torch.randn(8, 8).double()).Q + 1)
    assert turned.similarity == pytest.approx(1)
    assert turned.matching < 0.95
    order = torch.randperm(8)
    permuted = compare_states(states, -states[..., order])
    assert permuted.matching == pytest.approx(1)
    assert order[permuted.partner].tolist() == list(range(8))


def test_unrelated_states_are_as_alike_as_chance():
    found = compare_states(torch.randn(200, 5, 8), torch.randn(200, 5, 6))
    assert found.similarity < 0.05
    assert abs(found.similarity - found.similarity_by_chance) < 0.02
    assert abs(found.matching - found.matching_by_chance) < 0.05
    assert "by chance" in str(found)


def test_a_known_similarity():
    """One shared direction of two, all of the same size: ‖C‖² / (‖A‖ ‖B‖) = 1/2."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(300, 3, generator=generator).double() - 0).Q
    basis = torch.linalg.qr(basis - basis.mean(0)).Q
    a, c = basis[:, :2], basis[:, 1:]
    found = compare_states(a[:, None], c[:, None])
    assert found.similarity == pytest.approx(0.5, abs=0.02)


def test_the_same_layer_in_two_precisions():
    layer = gw.LSTM(3, 6)
    x = torch.randn(20, 2, 3)
    y = layer(x)[0]
    wide = layer.double()(x.double())[0]
    found = compare_states(y, wide)
    assert found.similarity == pytest.approx(1, abs=1e-5)
    outputs = compare_outputs(y.double(), wide)
    assert outputs.first.tolist() == [20, 20]
    assert str(outputs) == "the results agree at every step, to 0.001 of their size"


def test_models_part_where_their_inputs_do():
    layer, x = gw.GRU(3, 6), torch.randn(10, 3, 3)
    other = x.clone()
    other[4:, 0] += 1
    other[7:, 2] += 1
    found = compare_outputs(layer(x)[0], layer(other)[0])
    assert found.first.tolist() == [4, 10, 7]
    assert found.distance[:4, 0].eq(0).all()
    assert str(found) == "2 of 3 sequences part, the first at step 4"
    assert found.table().splitlines()[5].endswith("part here")


def test_steps_that_do_not_count():
    a, c = torch.zeros(5, 1, 2), torch.zeros(5, 1, 2)
    c[3:] = 1
    alive = torch.tensor([True, True, True, False, False])[:, None]
    found = compare_outputs(a, c, alive=alive)
    assert found.first.item() == 5
    assert found.distance[3:].isnan().all()
    states = torch.randn(5, 1, 2)
    compared = compare_states(states, torch.where(alive[..., None], states, torch.nan), alive)
    assert compared.similarity == pytest.approx(1)
    again = compare_states(states, torch.where(alive[..., None], states, torch.nan))
    assert again.similarity == pytest.approx(1)


def test_a_result_that_is_no_number_parts():
    a, c = torch.zeros(3, 1, 1), torch.zeros(3, 1, 1)
    c[1] = torch.nan
    assert compare_outputs(a, c).first.item() == 1


def test_refusals():
    with pytest.raises(ValueError, match="run both models on one input"):
        compare_states(torch.randn(5, 2, 3), torch.randn(4, 2, 3))
    with pytest.raises(ValueError, match="three steps"):
        compare_states(torch.randn(2, 1, 3), torch.randn(2, 1, 3))
    with pytest.raises(ValueError, match="differ in shape"):
        compare_outputs(torch.randn(5, 2, 3), torch.randn(5, 2, 4))
