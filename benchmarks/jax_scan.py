"""Torch's three cells as a scan in JAX."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from torch import Tensor

from benchmarks.cases import Case


def lstm(pre, state, U):
    """One step; `pre` is the input's part of the pre-activations."""
    h, c = state
    i, f, g, o = jnp.split(pre + h @ U, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def rnn(pre, state, U):
    h = jnp.tanh(pre + state[0] @ U)
    return (h,), h


def gru(pre, state, U, bias):
    (h,) = state
    xr, xz, xn = jnp.split(pre, 3, axis=-1)
    hr, hz, hn = jnp.split(h @ U + bias, 3, axis=-1)
    r, z = jax.nn.sigmoid(xr + hr), jax.nn.sigmoid(xz + hz)
    n = jnp.tanh(xn + r * hn)
    h = (1 - z) * n + z * h
    return (h,), h


def output(cell: str, x, weights):
    """The outputs of all steps, ``(T, B, H)``."""
    W, U, b, bh = weights
    zeros = jnp.zeros((x.shape[1], U.shape[0]), x.dtype)
    start = (zeros, zeros) if cell == "lstm" else (zeros,)
    if cell == "gru":
        step, pre = (lambda state, now: gru(now, state, U, bh)), x @ W + b
    else:
        own = lstm if cell == "lstm" else rnn
        step, pre = (lambda state, now: own(now, state, U)), x @ W + (b + bh)
    return jax.lax.scan(step, start, pre)[1]


def run_of_scan(
    case: Case, x: Tensor, dy: Tensor, weights: dict[str, Tensor]
) -> Callable[[], jax.Array]:
    """A call of the jitted scan, or of it with its gradient."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    given = tuple(jnp.asarray(weights[name].numpy().T) for name in names)
    inputs, gradient = jnp.asarray(x.numpy()), jnp.asarray(dy.numpy())

    def loss(inputs, given):
        y = output(case.cell, inputs, given)
        return (y * gradient).sum(), y

    if case.training:
        compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))

        def run():
            return jax.block_until_ready(compiled(inputs, given))[0][1]
    else:
        compiled = jax.jit(lambda inputs, given: output(case.cell, inputs, given))

        def run():
            return jax.block_until_ready(compiled(inputs, given))

    return run
