"""One ONNX operator with torch's weights, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from benchmarks.cases import Case

OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
"""Torch's gates in ONNX's order: i o f g, and z r n."""


def model_of(case: Case, weights: dict[str, Tensor]) -> onnx.ModelProto:
    """A graph of one operator."""
    order = ORDER[case.cell]

    def sorted_gates(name: str) -> np.ndarray:
        parts = weights[name].numpy().reshape(len(order), case.H, -1)
        return np.concatenate([parts[k] for k in order])

    arrays = {
        "W": sorted_gates("weight_ih_l0")[None],
        "R": sorted_gates("weight_hh_l0")[None],
        "B": np.concatenate([sorted_gates("bias_ih_l0"), sorted_gates("bias_hh_l0")]).reshape(
            1, -1
        ),
    }
    options = {"linear_before_reset": 1} if case.cell == "gru" else {}
    node = helper.make_node(
        OPERATORS[case.cell], ["x", "W", "R", "B"], ["y"], hidden_size=case.H, **options
    )
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [case.T, case.B, case.I])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [case.T, 1, case.B, case.H])
    constants = [numpy_helper.from_array(value, name) for name, value in arrays.items()]
    graph = helper.make_graph([node], case.cell, [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def run_of_onnx(case: Case, x: Tensor, weights: dict[str, Tensor]) -> Callable[[], Tensor]:
    """A call of the operator on as many threads as torch has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model_of(case, weights).SerializeToString(), options, ["CPUExecutionProvider"]
    )
    inputs = {"x": x.numpy()}
    return lambda: torch.from_numpy(session.run(None, inputs)[0][:, 0])
