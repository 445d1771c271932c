"""Every cell against a formulation that does not come from our graph.

`independent/<cell>.py` holds ``step(x, states, parameters, constants)``: NumPy arrays in float64,
or another package's cell, for one step. A cell of the catalogue without such a file fails here.
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

import gatewise as gw
from gatewise.backends.reference import ReferenceBackend
from tests.recurrences import sample


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", gw.cells.names())
def test_step_equals_independent_formulation(name, seed):
    cell = gw.cells.get(name)
    case = sample(cell.graph, T=3, B=2, I=3, H=4, seed=seed)
    step = importlib.import_module(f"tests.cells.independent.{name}").step
    arrays = {
        kind: {key: value.numpy() for key, value in getattr(case.operands, kind).items()}
        for kind in ("inputs", "states", "parameters")
    }
    states, outputs = arrays["states"], []
    for t in range(3):
        inputs = {key: value[t] for key, value in arrays["inputs"].items()}
        x = inputs.pop("x")
        states = step(x, states, arrays["parameters"], {**cell.constants, **inputs})
        outputs.append(states[cell.states[0]] if "output" not in states else states["output"])
    result = ReferenceBackend().run(case.recurrence, case.operands)
    for key, value in result.states.items():
        np.testing.assert_allclose(value, states[key], rtol=1e-9, atol=1e-10, err_msg=key)
    np.testing.assert_allclose(
        result.output, torch.tensor(np.stack(outputs)), rtol=1e-9, atol=1e-10
    )
