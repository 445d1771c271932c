"""Probes: a planted label is read, a meaningless one is not, and words may be memorised."""

import pytest
import torch

from gatewise.lens.probe import _Ridge, linear_probe


def states(T=20, B=20, H=6, dtype=torch.float64):
    generator = torch.Generator().manual_seed(4)
    return torch.randn(T, B, H, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_number_is_read_exactly(dtype):
    x = states(dtype=dtype)
    labels = 3 * x[..., 0] - x[..., 4] + 2
    probe = linear_probe(x, labels)
    assert probe.score > 1 - 1e-6
    assert probe.control < 0.1
    assert probe.classes is None
    assert probe.weights.dtype == dtype
    torch.testing.assert_close(
        probe.weights[:, 0],
        torch.tensor([3.0, 0, 0, 0, -1, 0], dtype=dtype),
        rtol=1e-3,
        atol=1e-3,
    )
    torch.testing.assert_close(probe.predict(x), labels, rtol=1e-3, atol=1e-2)


def test_classes_are_read_and_their_names_kept():
    x = states()
    labels = torch.where(x[..., 1] > 0.5, 7, torch.where(x[..., 1] < -0.5, 3, 5))
    probe = linear_probe(x, labels)
    assert probe.classes.tolist() == [3, 5, 7]
    assert probe.score > 0.7 > probe.baseline
    assert probe.control < probe.baseline + 0.1
    assert (probe.predict(x) == labels).double().mean() > 0.7
    assert "selectivity" in str(probe)


def test_noise_is_not_read():
    x = states()
    generator = torch.Generator().manual_seed(9)
    probe = linear_probe(x, torch.rand(20, 20, generator=generator) < 0.5)
    assert abs(probe.score - 0.5) < 0.15
    assert abs(probe.selectivity) < 0.2


def test_memorised_words_show_in_the_control_task():
    """States that are the word alone: any label of words can be read, so nothing was found."""
    generator = torch.Generator().manual_seed(5)
    kinds = torch.randint(8, (30, 20), generator=generator)
    x = torch.nn.functional.one_hot(kinds, 8).double()
    noun = torch.tensor([0, 1, 0, 1, 1, 0, 0, 1])[kinds]
    with_kinds = linear_probe(x, noun, kinds)
    assert (with_kinds.score, with_kinds.control) == (1.0, 1.0)
    assert with_kinds.selectivity == 0
    assert linear_probe(x, noun).control < 0.7  # without kinds, the control cannot be learned


def test_a_number_is_read_on_unseen_sequences():
    """A state that tells the sequence, and a label that is the sequence's own: nothing general."""
    x = torch.eye(20, dtype=torch.float64).expand(10, 20, 20)
    labels = torch.randn(20, generator=torch.Generator().manual_seed(1)).expand(10, 20)
    assert linear_probe(x, labels).score < 0.1


def test_leaving_one_out_is_in_closed_form():
    """The penalty that is chosen is the one that a loop over single rows chooses."""
    x = states(1, 25, 5)[0]
    generator = torch.Generator().manual_seed(2)
    y = (x @ torch.randn(5, 1, generator=generator).double()) + 3 * torch.randn(
        25, 1, generator=generator
    ).double()
    ridge = _Ridge(x)
    *_, chosen = ridge.solve(y)
    z = (x - ridge.mean) / ridge.scale
    errors = {}
    for penalty in (10.0**k for k in range(-6, 5)):
        error = 0.0
        for k in range(25):
            keep = torch.arange(25) != k
            a = torch.cat([z[keep], torch.ones(24, 1).double()], 1)
            ridge_of = torch.diag(torch.tensor([penalty * 25.0] * 5 + [0.0]).double())
            w = torch.linalg.solve(a.T @ a + ridge_of, a.T @ y[keep])
            error += float((y[k] - z[k] @ w[:5] - w[5]) ** 2)
        errors[penalty] = error
    assert chosen == min(errors, key=errors.__getitem__)


def test_steps_that_do_not_count():
    x, alive = states(), torch.ones(20, 20, dtype=torch.bool)
    labels = x[..., 0] > 0
    wrong = labels.clone()
    alive[15:] = False
    wrong[15:] = ~labels[15:]
    assert linear_probe(x, wrong, alive=alive).score == linear_probe(x, labels, alive=alive).score
    x[15:] = torch.nan  # as a trace shows them
    assert linear_probe(x, wrong).score == linear_probe(x, labels).score > 0.9


def test_refusals():
    x = states(B=2)
    with pytest.raises(ValueError, match="one sequence cannot be divided"):
        linear_probe(x[:, :1], torch.rand(20, 1))
    with pytest.raises(ValueError, match=r"labels are \(2, 20\)"):
        linear_probe(x, torch.rand(2, 20))
    with pytest.raises(ValueError, match="the same at every step"):
        linear_probe(x, torch.ones(20, 2))
