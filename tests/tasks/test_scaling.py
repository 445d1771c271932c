import pytest
import torch

from gatewise.tasks.scaling import SCALINGS, measure_scale


@pytest.fixture
def past():
    draw = torch.Generator().manual_seed(0)
    return torch.randn(5, 12, generator=draw, dtype=torch.float64) * 3 + 7


@pytest.mark.parametrize("kind", SCALINGS)
def test_what_is_taken_out_is_put_back(kind, past):
    scale = measure_scale(kind, past, torch.zeros_like(past))
    future = torch.randn(5, 4, 3, dtype=torch.float64)
    assert torch.allclose(scale.undo(scale.apply(past)), past)
    assert torch.allclose(scale.apply(scale.undo(future)), future)


@pytest.mark.parametrize(
    ("kind", "centre", "spread"),
    [
        ("window", 6.0, 2.0),
        ("series", 6.0, 1.0),
        ("standard", 4.0, 2.0),
        ("mean", 0.0, 4.0),
        ("none", 0.0, 1.0),
    ],
)
def test_scales_by_hand(kind, centre, spread):
    past = torch.tensor([[2.0, 99.0, 6.0]])
    scale = measure_scale(kind, past, torch.tensor([[0.0, 1.0, 0.0]]))  # 99 was filled in
    assert scale.centre.tolist() == [centre]
    assert scale.spread.tolist() == [spread]


@pytest.mark.parametrize("kind", SCALINGS)
def test_windows_that_do_not_vary_are_left_finite(kind):
    for value in (0.0, 3.0):
        past = torch.full((1, 4), value)
        scale = measure_scale(kind, past, torch.zeros(1, 4))
        assert torch.isfinite(scale.apply(past)).all()
        assert scale.spread.item() > 0


@pytest.mark.parametrize("kind", ["window", "standard", "mean"])
def test_the_unit_of_a_series_does_not_matter(kind, past):
    none = torch.zeros_like(past)
    one = measure_scale(kind, past, none).apply(past)
    two = measure_scale(kind, 1000 * past, none).apply(1000 * past)
    assert torch.allclose(one, two)


def test_other_names_are_refused():
    with pytest.raises(ValueError, match="none of window, series"):
        measure_scale("best", torch.zeros(1, 2), torch.zeros(1, 2))
