import pytest
import torch

from gatewise.lens.saturation import saturation


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shares_by_hand(dtype):
    gate = torch.tensor([[0.05, 0.5, 0.99], [0.95, 0.5, 0.99], [0.05, 0.5, 0.99]], dtype=dtype)
    found = saturation(gate[:, None])  # T = 3, B = 1
    torch.testing.assert_close(found.low, torch.tensor([2 / 3, 0, 0], dtype=dtype))
    torch.testing.assert_close(found.high, torch.tensor([1 / 3, 0, 1], dtype=dtype))
    assert found.stuck().tolist() == [2]
    assert "1 always at one end" in str(found)
    assert [line.split()[0] for line in found.table().splitlines()[1:]] == ["0", "2", "1"]


def test_bounds_of_a_tanh():
    values = torch.tensor([[-0.85], [0.0], [0.85], [0.7]])
    found = saturation(values, bounds=(-1, 1))
    assert (found.low.item(), found.high.item()) == (0.25, 0.25)
    assert saturation(values, bounds=(-1, 1), margin=0.05).high.item() == 0


def test_steps_that_do_not_count():
    gate = torch.tensor([[[0.0]], [[0.5]]])
    assert saturation(gate, alive=torch.tensor([[False], [True]])).low.item() == 0


def test_steps_past_the_end_of_a_trace_do_not_count():
    gate = torch.tensor([[[0.0]], [[0.5]], [[torch.nan]]])
    assert saturation(gate).low.item() == 0.5


def test_refusals():
    with pytest.raises(ValueError, match="leave the bounds"):
        saturation(torch.tensor([[1.5]]))
    with pytest.raises(ValueError, match=r"alive is \(1, 2\), not one for each step \(2, 1\)"):
        saturation(torch.rand(2, 1, 3), alive=torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="no step"):
        saturation(torch.rand(2, 1, 3), alive=torch.zeros(2, 1, dtype=torch.bool))
