"""A cell's step and its derivative as JavaScript, for pages that run the cell themselves.

Every expression of the step keeps an array of its own, so that a page can show each number of it.
Numbers are stored in float32 and computed in double precision, as sums in a kernel are wider than
what is stored.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping

from gatewise.equations import Graph
from gatewise.equations.derivative import differentiate, weight_expressions
from gatewise.equations.expression import (
    Condition,
    Expression,
    Matrix,
    Value,
    cotangent_leaf,
    given_leaf,
    input_leaf,
    state_leaf,
    topological,
)
from gatewise.equations.size import Size, infer_sizes

JAVASCRIPT: dict[str, Callable[..., str]] = {
    "add": "{} + {}".format,
    "subtract": "{} - {}".format,
    "multiply": "{} * {}".format,
    "divide": "{} / {}".format,
    "negate": "-({})".format,
    "sigmoid": "1 / (1 + Math.exp(-({})))".format,
    "tanh": "Math.tanh({})".format,
    "relu": lambda a: f"{a} <= 0 ? 0 : {a}",  # not Math.max: what is no number stays none
    "exp": "Math.exp({})".format,
    "log": "Math.log({})".format,
    "softplus": lambda a: f"Math.max({a}, 0) + Math.log1p(Math.exp(-Math.abs({a})))",
    "sqrt": "Math.sqrt({})".format,
    "absolute": "Math.abs({})".format,
    "sin": "Math.sin({})".format,
    "cos": "Math.cos({})".format,
    "maximum": "Math.max({}, {})".format,
    "minimum": "Math.min({}, {})".format,
    "noise": "noise({}, {})".format,
    "where": "{} ? {} : {}".format,
    "less": "{} < {} ? 1 : 0".format,
    "less_equal": "{} <= {} ? 1 : 0".format,
    "and": "{} & {}".format,
    "or": "{} | {}".format,
    "not": "1 - {}".format,
    "detach": "{}".format,
    "matrix_add": "{} + {}".format,
    "matrix_subtract": "{} - {}".format,
    "scale": "{} * {}".format,
}
"""What is written for one unit, by operation, of its operands' units."""

LIBRARY = """
function product(out, matrix, vector) {
  const columns = vector.length;
  for (let r = 0, m = 0; r < out.length; r++) {
    let a = 0, b = 0, c = 0, d = 0, k = 0; // four sums wait for each other less than one
    for (; k + 3 < columns; k += 4, m += 4) {
      a += matrix[m] * vector[k];
      b += matrix[m + 1] * vector[k + 1];
      c += matrix[m + 2] * vector[k + 2];
      d += matrix[m + 3] * vector[k + 3];
    }
    for (; k < columns; k++, m++) a += matrix[m] * vector[k];
    out[r] = a + b + (c + d);
  }
}
function matrixProduct(out, left, right, inner, columns) {
  for (let k = 0; k < out.length; k++) {
    const row = Math.floor(k / columns), column = k % columns;
    let sum = 0;
    for (let j = 0; j < inner; j++) sum += left[row * inner + j] * right[j * columns + column];
    out[k] = sum;
  }
}
function transpose(out, matrix, rows) {
  const columns = out.length / rows;
  for (let k = 0; k < out.length; k++)
    out[k] = matrix[(k % rows) * columns + Math.floor(k / rows)];
}
function blockDiagonal(out, stored, columns, blocks) {
  const rows = out.length / columns, width = columns / blocks;
  for (let r = 0; r < rows; r++) {
    const start = Math.floor((r * blocks) / rows) * width;
    for (let k = 0; k < width; k++) out[r * columns + start + k] = stored[r * width + k];
  }
}
function moments(vectors) {
  let count = 0, sum = 0, squares = 0;
  for (const vector of vectors) for (const value of vector) (sum += value), count++;
  const mean = sum / count;
  for (const vector of vectors) for (const value of vector) squares += (value - mean) ** 2;
  return { mean, variance: squares / count, sum, count };
}
function layerNorm(out, epsilon, part, ...vectors) {
  const { mean, variance } = moments(vectors), scale = 1 / Math.sqrt(variance + epsilon);
  for (let k = 0; k < out.length; k++) out[k] = (vectors[part][k] - mean) * scale;
}
function inverseDeviation(out, epsilon, ...vectors) {
  out[0] = 1 / Math.sqrt(moments(vectors).variance + epsilon);
}
const number = new Float32Array(1), bits = new Int32Array(number.buffer);
function bitsOf(value) { number[0] = value; return bits[0]; }
function noise(seed, step) {
  let mixed = bitsOf(seed) ^ Math.imul(bitsOf(step), 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return ((mixed ^ (mixed >>> 15)) >>> 8) / 0x1000000;
}
function rowSum(out, ...vectors) { out[0] = moments(vectors).sum; }
function unitCount(out, ...vectors) { out[0] = moments(vectors).count; }
"""
"""Functions that the written steps call; written once, before them."""

LEAVES = ("input", "given", "state", "cotangent", "parameter", "constant", "number")


def to_javascript(graph: Graph) -> str:
    """One cell as a JavaScript expression, complete in itself.

    Its value is a function ``(sizes, constants, weights) => program`` as `Script` describes it.

    Example:
        >>> import gatewise as gw
        >>> print(to_javascript(gw.cells.rnn.graph).splitlines()[-1])
        })()
    """
    return f"(() => {{{LIBRARY}return {Script(graph).source()};\n}})()"


class Script:
    """One step of a graph, and the derivative of one step, as a JavaScript function.

    The function takes ``sizes`` (``{I: 3, H: 5}``), ``constants`` and ``weights`` (flat arrays by
    name, such as ``"W.i"``) and returns a program:

    - ``step(inputs, states, givens)`` computes every expression from arrays by name;
    - ``backward(inputs, states, cotangents, givens)`` computes the step, and from the gradients of
      its new states and of its ``output`` those of its inputs and last states;
    - ``values``, ``preActivations``, ``newStates``, ``further`` and ``output`` are the arrays that
      `step` fills; ``gradients.inputs`` and ``gradients.states`` those that `backward` fills;
    - ``slots`` has the array of every expression, at the place that `slot` tells.

    Args:
        graph: one step.
        further: more expressions of the graph's leaves to compute, by name.
    """

    def __init__(self, graph: Graph, further: Mapping[str, Value] | None = None):
        self.graph, self.further = graph, dict(further or {})
        self.derivative = differentiate(graph)
        self.forward = topological([*graph.roots, *self.further.values()])
        gradients = [*self.derivative.inputs.values(), *self.derivative.states.values()]
        self.backward = topological(gradients)
        self.order = topological([*self.forward, *gradients])
        self.weights = weight_expressions(self.order)
        self.sizes = infer_sizes(self.order, self._leaf_sizes(), self._state_sizes())
        self._slots: dict[Expression, int] = {}
        for node in (*self._read_leaves(), *self.order):
            self._slots.setdefault(node, len(self._slots))

    def slot(self, node: Expression) -> int:
        """The place of an expression's array among the program's ``slots``."""
        return self._slots[node]

    def source(self) -> str:
        """The function, as an expression that needs `LIBRARY` around it."""
        before = [node for node in self.order if node in self.weights]
        names = [f"const size_{name} = sizes.{name} ?? sizes.H;" for name in self._size_names()]
        names += [
            f"const constant_{name} = Math.fround(constants[{json.dumps(name)}]);"
            for name in dict.fromkeys(n.name for n in self.order if n.operation == "constant")
        ]
        arrays = [self._array(node) for node in self._slots]
        return "\n".join(
            [
                "(sizes, constants, weights) => {",
                *names,
                *arrays,
                *self._statements(before),
                "function step(inputs, states, givens) {",
                *self._copies("input", "inputs"),
                *self._copies("state", "states"),
                *self._copies("given", "givens"),
                *self._statements(n for n in self.forward if n not in self.weights),
                "}",
                "function backward(inputs, states, cotangents, givens) {",
                "step(inputs, states, givens);",
                *self._copies("cotangent", "cotangents"),
                *self._statements(self._only_backward()),
                "}",
                f"return {{step, backward, {self._results()}}};",
                "}",
            ]
        )

    def _only_backward(self) -> list[Expression]:
        known = {*self.forward, *self.weights}
        return [node for node in self.backward if node not in known]

    def _results(self) -> str:
        graph, derivative = self.graph, self.derivative
        slots = ", ".join(f"v{k}" for k in self._slots.values())
        gradients = f"{{inputs: {self._named(derivative.inputs)}, "
        gradients += f"states: {self._named(derivative.states)}}}"
        return (
            f"values: {self._named(graph.values)}, "
            f"preActivations: {self._named(graph.pre_activations)}, "
            f"newStates: {self._named(graph.new_states)}, further: {self._named(self.further)}, "
            f"output: v{self.slot(graph.output)}, gradients: {gradients}, slots: [{slots}]"
        )

    def _named(self, nodes: Mapping[str, Expression]) -> str:
        return (
            "{"
            + ", ".join(f"{json.dumps(name)}: v{self.slot(node)}" for name, node in nodes.items())
            + "}"
        )

    # -- sizes

    def _leaf_sizes(self) -> dict[Expression, Size]:
        graph = self.graph
        sizes: dict[Expression, Size] = {}
        sizes.update({input_leaf(name): size for name, size in graph.inputs.items()})
        sizes.update({given_leaf(name): size for name, size in graph.givens.items()})
        for name, size in graph.states.items():
            sizes[state_leaf(name)] = sizes[cotangent_leaf(name)] = size
        sizes[cotangent_leaf("output")] = graph.sizes.values[graph.output]
        same: dict[Size, Size] = dict(graph.sizes.equal)
        return {leaf: same.get(size, size) for leaf, size in sizes.items()}

    def _state_sizes(self) -> dict[Expression, list[tuple[str, Size]]]:
        same: dict[Size, Size] = dict(self.graph.sizes.equal)
        found: dict[Expression, list[tuple[str, Size]]] = {}
        for name, value in self.graph.new_states.items():
            size = self.graph.states[name]
            found.setdefault(value, []).append((name, same.get(size, size)))
        return found

    def _size_names(self) -> list[str]:
        rows_and_columns = (size for shape in self.sizes.matrices.values() for size in shape)
        sizes = [*self.sizes.values.values(), *rows_and_columns, *self._leaf_sizes().values()]
        return sorted({size for size in sizes if isinstance(size, str)})

    def _size(self, node: Expression) -> Size:
        known = self.sizes.values.get(node)
        return known if known is not None else self._leaf_sizes()[node]

    # -- arrays

    def _read_leaves(self) -> list[Expression]:
        """Inputs, states and cotangents, those that nothing reads too: they are given all alike."""
        return list(self._leaf_sizes())

    def _array(self, node: Expression) -> str:
        name = f"const v{self.slot(node)} = "
        match node.operation:
            case "parameter":
                return f"{name}weights[{json.dumps(node.name)}];"
            case "number":
                return f"{name}Float32Array.of({_literal(node.attributes[0])});"
            case "constant":
                return f"{name}Float32Array.of(constant_{node.name});"
        if isinstance(node, Matrix):
            rows, columns = map(_size_text, self.sizes.matrices[node])
            return f"{name}new Float32Array({rows} * {columns});"
        kind = "Uint8Array" if isinstance(node, Condition) else "Float32Array"
        return f"{name}new {kind}({_size_text(self._size(node))});"

    def _copies(self, operation: str, source: str) -> list[str]:
        return [
            f"v{slot}.set({source}[{json.dumps(node.name)}]);"
            for node, slot in self._slots.items()
            if node.operation == operation
        ]

    # -- statements

    def _statements(self, nodes: Iterable[Expression]) -> list[str]:
        """Operations in order; those unit by unit share a loop while they have one length."""
        lines: list[str] = []
        loop: list[str] = []
        length = ""

        def close() -> None:
            if loop:
                lines.append(f"for (let k = 0; k < {length}; k++) {{")
                lines.extend(loop)
                lines.append("}")
                loop.clear()

        for node in nodes:
            if node.operation in LEAVES:
                continue
            if node.operation not in JAVASCRIPT:
                close()
                lines.append(self._call(node))
                continue
            count = self._length(node)
            if count != length:
                close()
                length = count
            loop.append(f"v{self.slot(node)}[k] = {self._unit(node)};")
        close()
        return lines

    def _length(self, node: Expression) -> str:
        if isinstance(node, Matrix):
            return " * ".join(map(_size_text, self.sizes.matrices[node]))
        return _size_text(self._size(node))

    def _unit(self, node: Expression) -> str:
        return JAVASCRIPT[node.operation](*map(self._operand, node.operands))

    def _operand(self, node: Expression) -> str:
        """One unit of an operand; a value with a single unit serves all."""
        if node.operation == "number":
            return _literal(node.attributes[0])
        if node.operation == "constant":
            return f"constant_{node.name}"
        single = not isinstance(node, Matrix) and self._size(node) == 1
        return f"v{self.slot(node)}[{'0' if single else 'k'}]"

    def _call(self, node: Expression) -> str:
        """An operation that reads every unit of its operands."""
        operands = [f"v{self.slot(operand)}" for operand in node.operands]
        out, shape = f"v{self.slot(node)}", self.sizes.matrices.get
        match node.operation:
            case "product":
                arguments, name = [out, *operands], "product"
            case "transpose":
                columns = (shape(node) or ("", ""))[1]
                arguments, name = [out, *operands, _size_text(columns)], "transpose"
            case "matrix_product":
                inner, columns = (shape(node.operands[1]) or ("", ""))[:2]
                arguments = [out, *operands, _size_text(inner), _size_text(columns)]
                name = "matrixProduct"
            case "block_diagonal":
                columns = (shape(node) or ("", ""))[1]
                arguments = [out, *operands, _size_text(columns), str(node.attributes[0])]
                name = "blockDiagonal"
            case "layer_norm":
                part, epsilon = node.attributes
                arguments, name = [out, repr(epsilon), str(part), *operands], "layerNorm"
            case "inverse_deviation":
                arguments = [out, repr(node.attributes[0]), *operands]
                name = "inverseDeviation"
            case "row_sum":
                arguments, name = [out, *operands], "rowSum"
            case "unit_count":
                arguments, name = [out, *operands], "unitCount"
            case operation:
                raise NotImplementedError(f"no JavaScript for {operation!r}")
        return f"{name}({', '.join(arguments)});"


def _size_text(size: Size) -> str:
    return str(size) if isinstance(size, int) else f"size_{size}"


def _literal(value: float) -> str:
    """A number as float32 holds it; infinities by JavaScript's names."""
    try:
        rounded = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        rounded = float("inf") if value > 0 else float("-inf")
    if math.isnan(rounded):
        return "NaN"
    if rounded in (float("inf"), float("-inf")):
        return "Infinity" if rounded > 0 else "(-Infinity)"
    return repr(rounded) if rounded >= 0 else f"({rounded!r})"
