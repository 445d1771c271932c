import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.training.optimizers import NTASGD, OPTIMIZERS, build_optimizer, clip_gradients


def problem(seed=0):
    torch.manual_seed(seed)
    model = nn.Linear(3, 2, dtype=torch.float64)
    return model, torch.randn(20, 8, 3, dtype=torch.float64)


def step(model, optimizer, x):
    optimizer.zero_grad()
    model(x).square().sum().backward()
    optimizer.step()


def test_ntasgd_averages_all_weights_since_it_began():
    """Algorithm 1 of Merity et al. (2018), written out."""
    model, xs = problem()
    twin, _ = problem()
    optimizer = NTASGD(model.parameters(), lr=0.02, weight_decay=0.01, interval=2)
    plain = torch.optim.SGD(twin.parameters(), lr=0.02, weight_decay=0.01)
    losses = [5.0, 4.0, 3.0, 3.5, 4.5, 4.6, 9.0, 0.0]  # 3.5 < min(5), 4.5 > min(5, 4)
    kept, began = [], None
    for t, loss in enumerate(losses):
        step(model, optimizer, xs[t]), step(twin, plain, xs[t])
        optimizer.validated(loss)
        if began is None and t > 2 and loss > min(losses[: t - 2]):
            began = t
        if began is not None:
            kept.append([w.detach().clone() for w in twin.parameters()])
        assert optimizer.is_averaging == (began is not None)
    assert began == 4
    for own, plainly in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(own, plainly)  # averaging does not change where it goes
    with optimizer.averaged():
        for own, values in zip(model.parameters(), zip(*kept, strict=True), strict=True):
            torch.testing.assert_close(own.detach(), torch.stack(values).mean(0))
    for own, plainly in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(own, plainly)


def test_ntasgd_shows_nothing_before_it_averages():
    model, _ = problem()
    optimizer = NTASGD(model.parameters(), lr=0.02)
    before = model.weight.detach().clone()
    with optimizer.averaged():
        assert torch.equal(model.weight, before)
        assert not optimizer.shows_averages
    assert not optimizer.show_averages(True)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_learns_with_its_own_rate(name):
    """Whether the first of five numbers was the larger half."""
    torch.manual_seed(0)
    layer, head = gw.LSTM(1, 24), nn.Linear(24, 1)
    model = nn.ModuleList([layer, head])
    optimizer = build_optimizer(name, model, OPTIMIZERS[name].learning_rate)
    losses = []
    for _ in range(150):
        x = torch.rand(5, 64, 1)
        wanted = (x[0, :, 0] > 0.5).float()
        logits = head(layer(2 * x - 1)[0][-1])[:, 0]
        loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        optimizer.zero_grad()
        loss.backward()
        clip_gradients(model.parameters(), 1.0, 0.0)
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) / 20 < 0.85 * sum(losses[:20]) / 20


@pytest.mark.parametrize(
    ("norm", "value", "wanted", "bites"),
    [
        (0.0, 0.0, [3.0, -4.0], False),
        (10.0, 0.0, [3.0, -4.0], False),
        (2.5, 0.0, [1.5, -2.0], True),
        (0.0, 3.5, [3.0, -3.5], True),
        (0.0, 4.0, [3.0, -4.0], False),
        (2.5, 3.0, [2.5 / 2**0.5, -2.5 / 2**0.5], True),
    ],
)
def test_clipping(norm, value, wanted, bites):
    weight, idle = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, -4.0])
    assert clip_gradients(iter([weight, idle]), norm, value) is bites
    torch.testing.assert_close(weight.grad, torch.tensor(wanted))


def test_ntasgd_and_its_copies_have_one_memory(tmp_path):
    """What state_dict holds is all that it knows."""
    model, xs = problem()
    optimizer = NTASGD(model.parameters(), lr=0.02, interval=1)
    for loss in (2.0, 1.0, 3.0, 3.0):
        step(model, optimizer, xs[0])
        optimizer.validated(loss)
    torch.save(optimizer.state_dict(), tmp_path / "state")
    twin, _ = problem()
    twin.load_state_dict(model.state_dict())
    other = NTASGD(twin.parameters(), lr=1.0)
    other.load_state_dict(torch.load(tmp_path / "state"))
    assert other.is_averaging
    assert other.losses == optimizer.losses
    for x in xs[1:4]:
        step(model, optimizer, x), step(twin, other, x)
    with optimizer.averaged(), other.averaged():
        assert torch.equal(model.weight, twin.weight)
    assert torch.equal(model.weight, twin.weight)
