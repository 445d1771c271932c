"""The `@cell` decorator: a Python function of symbols becomes a `Cell`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from gatewise.equations import expression as symbols
from gatewise.equations.expression import (
    Condition,
    EquationError,
    Expression,
    Matrix,
    Value,
)
from gatewise.equations.graph import Graph, Parameter
from gatewise.equations.size import Size, size_number

Initial = float | tuple[float, float] | str
"""A number, the bounds of a uniform distribution, or the name of a rule in `RULES`."""

RULES = ("identity", "orthogonal", "xavier")
"""Rules of initial values for matrices: identity, random orthogonal, Glorot & Bengio's uniform."""


class Cell:
    """One step of a recurrent network, written once as its equations.

    Made by `cell`; layers, kernels, formulas and pictures are derived from its `graph`.

    Attributes:
        name: the function's name.
        graph: the traced equations.
        initial: initial values of parameters and states that differ from the default
            (parameters uniform in ±1/√H, states zero).
        documentation: the text that tells the paper; its first line is ``Title: paper``.
    """

    def __init__(
        self,
        graph: Graph,
        initial: Mapping[str, Initial] | None = None,
        documentation: str = "",
        function: Callable[..., Any] | None = None,
        trace: Callable[[Mapping[str, Any]], Graph] | None = None,
    ):
        self.graph = graph
        self.initial = dict(initial or {})
        self.documentation = inspect.cleandoc(documentation)
        self.function = function
        self._trace = trace
        self._check_initial()

    def _check_initial(self) -> None:
        names = {*self.parameters, *(name.split(".")[0] for name in self.parameters), *self.states}
        for key, value in self.initial.items():
            if isinstance(value, str) and value not in RULES:
                raise EquationError(
                    f"cell {self.name!r}: initial={{{key!r}: {value!r}}} is no rule; there are "
                    f"{', '.join(RULES)}, numbers and bounds (low, high)."
                )
            if key not in names and key.split(".")[0] not in symbols.VECTORS:  # bias=False drops b
                raise EquationError(
                    f"cell {self.name!r}: initial={{{key!r}: ...}} names no parameter or state; "
                    f"it has {', '.join((*self.parameters, *self.states))}."
                )

    @property
    def name(self) -> str:
        """The cell's name, lower case."""
        return self.graph.name

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states, the output's first where it is one."""
        return tuple(self.graph.states)

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the gates: every named activation that is not the output."""
        return self.graph.gates

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The learned weights by name, in the order of first use."""
        return self.graph.parameters

    @property
    def constants(self) -> dict[str, float]:
        """Named numbers that a user may set, with their values."""
        return dict(self.graph.constants)

    @cached_property
    def title(self) -> str:
        """What the cell is called, in words."""
        return self._first_line.split(":", 1)[0].strip(" .") or self.name

    @cached_property
    def paper(self) -> str:
        """Where the cell comes from: the first line of its documentation, after the colon."""
        return self._first_line.partition(":")[2].strip(" .")

    @property
    def _first_line(self) -> str:
        return " ".join(self.documentation.split("\n\n", 1)[0].split())

    def with_constants(self, **constants: Any) -> Cell:
        """The same cell with other constants; whole numbers and flags shape the graph anew.

        Raises:
            EquationError: the cell has no such constant, or was read from a file and a constant
                that shapes its graph is asked for.
        """
        if self._trace is None:
            return Cell(self.graph.with_constants(constants), self.initial, self.documentation)
        graph = self._trace(constants)
        return Cell(graph, self.initial, self.documentation, self.function, self._trace)

    def parameter_count(self, input_size: int, hidden_size: int, **sizes: int) -> int:
        """How many numbers the cell learns for these sizes."""
        numbers = {
            "H": hidden_size,
            **{size: hidden_size for size in self.graph.states.values() if isinstance(size, str)},
            "I": input_size,
            **sizes,
        }
        total = 0
        for parameter in self.parameters.values():
            count = 1
            for size in parameter.shape:
                count *= size_number(size, numbers)
            total += count // parameter.blocks
        return total

    def latex(self) -> str:
        """The equations as LaTeX (an ``aligned`` environment)."""
        from gatewise.equations.latex import to_latex

        return to_latex(self.graph)

    def diagram(self) -> str:
        """The cell's picture as SVG text."""
        from gatewise.equations.diagram import to_svg

        return to_svg(self.graph)

    def to_dict(self) -> dict[str, Any]:
        """The traced cell for a JSON document."""
        return {
            "graph": self.graph.to_dict(),
            "initial": {k: list(v) if isinstance(v, tuple) else v for k, v in self.initial.items()},
            "documentation": self.documentation,
        }

    @classmethod
    def from_dict(cls, document: Any) -> Cell:
        """Read what `to_dict` wrote.

        Raises:
            EquationError: the document is damaged or comes from elsewhere.
        """
        if not isinstance(document, Mapping) or "graph" not in document:
            raise EquationError("this is not the description of a cell: it has no graph.")
        initial = {
            str(k): tuple(v) if isinstance(v, list) else v
            for k, v in dict(document.get("initial", {})).items()
        }
        graph = Graph.from_dict(document["graph"])
        return cls(graph, initial, str(document.get("documentation", "")))  # type: ignore[arg-type]

    def __reduce__(self):
        return Cell.from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        return (
            f"<cell {self.name}: states {', '.join(self.states)}; "
            f"gates {', '.join(self.gates) or 'none'}>"
        )


def cell(
    function: Callable[..., Any] | None = None,
    *,
    states: Iterable[str] | Mapping[str, Size] = ("h",),
    inputs: Mapping[str, Size] | None = None,
    output: str | None = None,
    initial: Mapping[str, Initial] | None = None,
) -> Any:
    """Make a `Cell` of a function from an input and the last states to named values.

    The function is called once, on symbols. Its parameters are named after inputs and states;
    keyword-only parameters with a default are constants (a float stays changeable at run time, a
    whole number or a flag shapes the graph). It returns a dict of every value worth a name; the
    entry named like a state is that state's new value.

    Args:
        function: the equations.
        states: names, or names with sizes (``"H"``, ``"I"``, another name, a number).
        inputs: names with sizes; ``{"x": "I"}`` when left out.
        output: which returned value a layer returns; the first state when left out.
        initial: initial values by parameter (``"b.f"``), namespace (``"U"``) or state.

    Returns:
        The `Cell`.

    Raises:
        EquationError: the equations are wrong; the message names the cell, the value and the mend.

    Example:
        >>> from gatewise.equations import U, W, b, cell, tanh
        >>> @cell(states=("h",))
        ... def elman(x, h):
        ...     h = tanh(W.h @ x + U.h @ h + b.h)
        ...     return dict(h=h)
        >>> elman.states, list(elman.parameters)
        (('h',), ['W.h', 'U.h', 'b.h'])
    """
    if function is None:
        return lambda f: cell(f, states=states, inputs=inputs, output=output, initial=initial)
    declaration = _Declaration(function, states, inputs, output)
    graph = declaration.trace({})
    return Cell(graph, initial, _documentation(function), function, declaration.trace)


def _documentation(function: Callable[..., Any]) -> str:
    """The function's own text, or its module's when the module is named after it (a cell file)."""
    if function.__doc__:
        return function.__doc__
    module = function.__module__
    same = module.rpartition(".")[2] == function.__name__
    return (getattr(sys.modules.get(module), "__doc__", None) or "") if same else ""


class _Declaration:
    """What a function and `@cell` say together, checked, and how to trace it."""

    def __init__(
        self,
        function: Callable[..., Any],
        states: Iterable[str] | Mapping[str, Size],
        inputs: Mapping[str, Size] | None,
        output: str | None,
    ):
        self.function, self.name = function, function.__name__
        if isinstance(states, str):
            states = (states,)
        names = list(states)
        self._unique(names, "state")
        self.states = dict(states) if isinstance(states, Mapping) else dict.fromkeys(names, "H")
        self.inputs = {"x": "I"} if inputs is None else dict(inputs)
        self._unique([*self.inputs, *self.states], "input or state")
        self.output = output or next(iter(self.states), "")
        signature = inspect.signature(function).parameters.values()
        keyword = inspect.Parameter.KEYWORD_ONLY
        self.arguments = [a.name for a in signature if a.kind != keyword]
        self.defaults = {a.name: a.default for a in signature if a.kind == keyword}
        self._unique([*self.arguments, *self.defaults], "argument")
        self._check_arguments()

    def _fail(self, message: str) -> EquationError:
        return EquationError(f"cell {self.name!r}: {message}")

    def _unique(self, names: list[str], kind: str) -> None:
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise self._fail(f"the {kind} name {sorted(twice)[0]!r} is used twice.")

    def _check_arguments(self) -> None:
        if not self.states:
            raise self._fail("it has no state, so it is not recurrent; say states=('h',).")
        known = {**self.inputs, **self.states}
        for name in self.arguments:
            if name not in known:
                raise self._fail(
                    f"the argument {name!r} is neither an input ({', '.join(self.inputs)}) nor a "
                    f"state ({', '.join(self.states)}); add it to states= or inputs=, or put it "
                    "after * as a constant."
                )
        for name in known:
            if name not in self.arguments:
                raise self._fail(
                    f"{name!r} is declared but not an argument: write "
                    f"def {self.name}({', '.join(known)})."
                )
        for name, default in self.defaults.items():
            if default is inspect.Parameter.empty:
                raise self._fail(f"the constant {name!r} needs a default value: {name}=1.0.")

    def trace(self, constants: Mapping[str, Any]) -> Graph:
        """Run the function on symbols."""
        arguments: dict[str, Any] = {n: symbols.input_leaf(n) for n in self.inputs}
        arguments |= {n: symbols.state_leaf(n) for n in self.states}
        floats: dict[str, float] = {}
        for name, value in {**self.defaults, **self._checked(constants)}.items():
            if isinstance(value, float):
                floats[name] = value
                arguments[name] = symbols.constant_leaf(name)
            else:
                arguments[name] = value
        try:
            values = self._returned(self.function(**arguments))
            return Graph(
                name=self.name,
                inputs=self.inputs,
                states=self.states,
                values=values,
                new_states={name: values[name] for name in self.states},
                output=values[self.output],
                constants=floats,
                givens={},
            )
        except EquationError as error:
            if str(error).startswith("cell "):
                raise
            raise self._fail(str(error)) from error

    def _checked(self, constants: Mapping[str, Any]) -> dict[str, Any]:
        checked = {}
        for name, given in constants.items():
            if name not in self.defaults:
                raise self._fail(
                    f"no constant {name!r}; it has {', '.join(self.defaults) or 'none'}."
                )
            default = self.defaults[name]
            whole = isinstance(given, int) and not isinstance(given, bool)
            value = float(given) if whole and isinstance(default, float) else given
            if type(value) is not type(default):
                raise self._fail(
                    f"the constant {name!r} is a {type(default).__name__} such as {default!r}, "
                    f"not {value!r}."
                )
            checked[name] = value
        return checked

    def _returned(self, values: Any) -> dict[str, Value]:
        if not isinstance(values, Mapping):
            raise self._fail(
                f"it must return its values by name, dict(h=h, ...), not {type(values).__name__}."
            )
        known = {**self.inputs, **self.defaults}
        checked: dict[str, Value] = {}
        for name, value in values.items():
            if not isinstance(name, str) or not name.isidentifier():
                raise self._fail(f"{name!r} cannot be the name of a value; use letters and _.")
            if name in known:
                raise self._fail(f"the name {name!r} is used twice: it is an input or constant.")
            checked[name] = self._vector(name, value)
        for name in self.states:
            if name not in checked:
                raise self._fail(
                    f"it does not return its state {name!r}; return dict(..., {name}={name})."
                )
        if self.output not in checked:
            raise self._fail(
                f"output={self.output!r} is not among the returned values {', '.join(checked)}."
            )
        return checked

    def _vector(self, name: str, value: object) -> Value:
        if isinstance(value, Value):
            return value
        what = {Matrix: "a matrix", Condition: "a condition"}.get(type(value), repr(value))
        shown = f" ({value})" if isinstance(value, Expression) else ""
        raise self._fail(
            f"the value {name!r} is {what}{shown}, not a vector computed from symbols."
        )
