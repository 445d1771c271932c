"""Kernels in programs that torch traces: compiled without a break, exported for any T and B."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch import library
from torch.export import Dim, export

import gatewise as gw
from gatewise.backends import Result
from gatewise.backends.llvm.registration import run_operator
from tests.backends.llvm.comparison import REFERENCE, assert_equal, moderate, training
from tests.recurrences import sample

IMPORTANT = ("lstm", "gru", "antisymmetric", "slstm", "lstm_layer_norm", "lstm_projection", "rhn")


class Operator:
    """The operator that a trace records, called at once."""

    name = "operator"

    def refusal(self, recurrence, operands):
        return None

    def describe(self, recurrence, operands):
        return ""

    def run(self, recurrence, operands, keep=()):
        return Result(*run_operator(recurrence, operands, torch.is_grad_enabled()), {})


def assert_operator_equals_reference(name: str) -> None:
    case = moderate(gw.cells.get(name).graph, T=4, B=3, I=5, H=5, P=4, reverse=len(name) % 2 == 1)
    assert_equal(training(Operator(), case), training(REFERENCE, case), 1e-9)


@pytest.mark.parametrize("name", IMPORTANT)
def test_the_operator_equals_the_reference(name):
    assert_operator_equals_reference(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", gw.cells.names())
def test_the_operator_equals_the_reference_for_every_cell(name):
    assert_operator_equals_reference(name)


@pytest.mark.parametrize(("T", "B"), [(0, 2), (3, 0)])
def test_the_operator_runs_on_nothing(T, B):
    case = sample(gw.cells.lstm.graph, T=T, B=B, I=3, H=4)
    assert_equal(training(Operator(), case), training(REFERENCE, case), 1e-12)


def test_the_operator_keeps_torchs_rules():
    """Schema, derivative and shapes of fake tensors."""
    case = sample(gw.cells.gru.graph, T=4, B=3, I=5, H=6)
    operands, graph = case.operands, case.recurrence.graph
    tensors = [*operands.inputs.values(), *operands.states.values(), *operands.parameters.values()]
    tensors = [tensor.clone().requires_grad_() for tensor in tensors]
    wanted = [True] * len(graph.inputs)
    arguments = (case.recurrence.document, list(operands.parameters), True, wanted, tensors)
    # not the comparison of every number of the output: there are gaps in what is kept
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    library.opcheck(torch.ops.gatewise.recurrence.default, arguments, test_utils=checks)


# inputs are as wide as both directions' outputs: the same kernels then serve a second layer
LAYERS = {
    "LSTM": lambda: gw.LSTM(10, 5, 2, bidirectional=True),
    "GRU": lambda: gw.GRU(10, 5),
    "RNN": lambda: gw.RNN(10, 5, nonlinearity="relu"),
    "projection": lambda: gw.LSTM(10, 5, proj_size=3, batch_first=True),
    "Recurrent": lambda: gw.Recurrent("peephole", 10, 5, 2, bidirectional=True),
    "expressions of weights": lambda: gw.Recurrent("antisymmetric", 10, 5),
    "evaluated zoneout": lambda: gw.Recurrent("lstm", 10, 5, zoneout=0.1).eval(),
}


def gradients(function, layer, x, **options) -> dict[str, torch.Tensor]:
    layer.zero_grad()
    x = x.clone().requires_grad_()
    y, state = function(x, **options)
    (
        y.sin().sum() + sum(part.cos().sum() for part in torch.utils._pytree.tree_leaves(state))
    ).backward()
    found = {name: p.grad.clone() for name, p in layer.named_parameters()}
    return {"y": y.detach(), "x": x.grad, **found}


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_compile_whole_and_learn(kind):
    torch.manual_seed(0)
    layer, x = LAYERS[kind](), torch.randn(7, 3, 10)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    with gw.use_backend("llvm"):
        expected = gradients(layer, layer, x)
    found = gradients(compiled, layer, x)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x)[0], expected["y"])


@pytest.mark.parametrize("option", ["lengths", "reset"])
def test_lengths_and_resets_compile_whole(option):
    layer, x = gw.GRU(10, 5, bidirectional=True), torch.randn(7, 3, 10)
    options = {"lengths": torch.tensor([3, 7, 0])}
    if option == "reset":
        options = {"reset": torch.rand(7, 3) < 0.3}
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    expected = gradients(layer, layer, x, **options)
    for name, value in gradients(compiled, layer, x, **options).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5, msg=name)


def test_one_program_serves_every_length_and_batch():
    layer = gw.LSTM(10, 5)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    compiled(torch.randn(5, 2, 10))
    with torch._dynamo.config.patch(error_on_recompile=True):
        for T, B in ((6, 3), (11, 7)):
            x = torch.randn(T, B, 10)
            torch.testing.assert_close(compiled(x)[0], layer(x)[0])


EXPORTED = ("LSTM", "Recurrent", "expressions of weights")

ELSEWHERE = """
import json, sys, torch, gatewise.layers
faults = {}
for case in torch.load(sys.argv[1]):
    found = torch.export.load(case["program"]).module()(case["x"])[0]
    try:
        torch.testing.assert_close(found, case["y"])
    except AssertionError as error:
        faults[case["kind"]] = str(error)
print(json.dumps(faults))
"""


@pytest.fixture(scope="module")
def faults_elsewhere(tmp_path_factory) -> dict[str, str]:
    """What another process finds wrong with the outputs of exported programs, by kind of layer."""
    folder, cases = tmp_path_factory.mktemp("exported"), []
    dimensions = {0: Dim("T", min=2, max=4096), 1: Dim("B", min=2, max=512)}
    for kind in EXPORTED:
        layer, path = LAYERS[kind]().eval(), folder / f"{kind}.pt2"
        program = export(layer, (torch.randn(5, 3, 10),), dynamic_shapes=(dimensions,))
        torch.export.save(program, path)
        x = torch.randn(9, 7, 10)
        with torch.no_grad():
            cases.append({"kind": kind, "program": str(path), "x": x, "y": layer(x)[0]})
    torch.save(cases, folder / "cases.pt")
    command = [sys.executable, "-W", "ignore", "-c", ELSEWHERE, str(folder / "cases.pt")]
    done = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", EXPORTED)
def test_an_exported_program_runs_elsewhere(kind, faults_elsewhere):
    assert kind not in faults_elsewhere, faults_elsewhere[kind]
