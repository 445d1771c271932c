"""Transforms of `torch.func` over layers that would else run on a kernel or on torch's operator."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.func import (
    functional_call,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    stack_module_state,
    vjp,
    vmap,
)

import gatewise as gw

pytestmark = [
    pytest.mark.kernels,
    pytest.mark.filterwarnings("ignore:.*runs on the reference backend"),
]
T, B, I = 3, 2, 3
MAKE = {
    "LSTM": lambda: gw.LSTM(I, 4, bidirectional=True, dtype=torch.float64),
    "GRU": lambda: gw.GRU(I, 5, batch_first=True, dtype=torch.float64),
    "RNN on a kernel": lambda: gw.RNN(I, 600, dtype=torch.float64),
    "mgu": lambda: gw.Recurrent("mgu", I, 5, dtype=torch.float64),
    "slstm": lambda: gw.Recurrent("slstm", I, 4, dtype=torch.float64),
    "lstm_layer_norm": lambda: gw.Recurrent("lstm_layer_norm", I, 5, dtype=torch.float64),
}


@pytest.fixture(params=MAKE)
def layer(request):
    torch.manual_seed(1)
    return MAKE[request.param]()


@pytest.fixture
def x():
    return torch.randn(T, B, I, dtype=torch.float64)


def weights_of(layer):
    return {name: value.detach() for name, value in layer.named_parameters()}


def test_jacobians_agree(layer, x):
    def last(x):
        return layer(x)[0][-1].sum(0)

    backward, forward = jacrev(last)(x), jacfwd(last)(x)
    torch.testing.assert_close(backward, forward)
    direction = torch.randn_like(x)
    _, along = jvp(last, (x,), (direction,))
    torch.testing.assert_close(along, torch.einsum("otbi,tbi->o", backward, direction))
    y, pull = vjp(last, x)
    torch.testing.assert_close(pull(torch.ones_like(y))[0], backward.sum(0))


def test_the_hessian_is_the_jacobian_of_the_gradient(layer, x):
    x = x[:, :1]

    def loss(x):
        return layer(x)[0].square().sum()

    found = hessian(loss)(x)
    step, direction = 1e-5, torch.randn_like(x)
    ends = [grad(loss)(x + sign * step * direction) for sign in (1, -1)]
    wanted = (ends[0] - ends[1]) / (2 * step)
    torch.testing.assert_close(
        torch.einsum("tbiuvj,uvj->tbi", found, direction), wanted, rtol=1e-4, atol=1e-7
    )


def test_an_ensemble_in_one_call(layer, x):
    models = [layer, copy.deepcopy(layer), copy.deepcopy(layer)]
    with torch.no_grad():
        for k, model in enumerate(models):
            for value in model.parameters():
                value.mul_(1 + 0.1 * k)
    weights, buffers = stack_module_state(models)

    def run(weights, buffers, x):
        return functional_call(layer, (weights, buffers), (x,))[0]

    together = vmap(run, in_dims=(0, 0, None))(weights, buffers, x)
    torch.testing.assert_close(together, torch.stack([model(x)[0] for model in models]))


def test_gradients_of_each_sequence(layer, x):
    axis = 0 if layer.batch_first else 1
    weights = weights_of(layer)

    def loss(weights, x):
        return functional_call(layer, weights, (x,))[0].square().sum()

    together = vmap(grad(loss), in_dims=(None, axis))(weights, x)  # each without a batch
    for k in range(x.shape[axis]):
        alone = grad(loss)(weights, x.select(axis, k))
        for name in weights:
            torch.testing.assert_close(together[name][k], alone[name])


def test_second_derivatives_through_the_default(layer, x):
    """As torch's users take them, without torch.func: a penalty on the gradient."""

    def penalty(layer, x):
        y, _ = layer(x)
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), [x, *layer.parameters()])

    found = penalty(layer, x.clone().requires_grad_())
    with gw.use_backend("reference"):
        wanted = penalty(layer, x.clone().requires_grad_())
    torch.testing.assert_close(found, wanted)


def test_backward_in_evaluation(layer, x):
    x.requires_grad_()
    (trained,) = torch.autograd.grad(layer.train()(x)[0].sum(), x)
    (evaluated,) = torch.autograd.grad(layer.eval()(x)[0].sum(), x)
    torch.testing.assert_close(evaluated, trained)
