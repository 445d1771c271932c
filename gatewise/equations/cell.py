"""The `@cell` decorator: a Python function of symbols becomes a `Cell`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NoReturn

from gatewise.equations.declaration import Declaration
from gatewise.equations.graph import Graph
from gatewise.equations.namespace import SCALARS, VECTORS
from gatewise.equations.parameter import Parameter
from gatewise.equations.size import Size, size_number
from gatewise.equations.symbol import EquationError

Initial = float | tuple[float, float] | str
"""A number, the bounds of a uniform distribution, or the name of a rule in `RULES`."""

RULES = ("identity", "orthogonal", "xavier")
"""Rules of initial values for matrices: identity, random orthogonal, Glorot & Bengio's uniform."""


def check_initial(graph: Graph, initial: Mapping[str, Any], strict: bool = False) -> None:
    """Raise an EquationError for an initial value that fits nothing, or is none.

    Vectors that the graph lacks are let pass unless it is strict: a constant may take a numbered
    one away, and bias=False takes every ``b``.
    """
    namespaces = {parameter.namespace for parameter in graph.parameters.values()}
    for key, value in initial.items():
        known = key in (*graph.parameters, *namespaces, *graph.states)
        if not known and (strict or str(key).split(".")[0] not in VECTORS):
            raise EquationError(
                f"cell {graph.name!r}: initial={{{key!r}: ...}} names no parameter or state; "
                f"it has {', '.join((*graph.parameters, *graph.states))}."
            )
        bounds = value if isinstance(value, tuple) else (value, value)
        numbers = len(bounds) == 2 and all(
            isinstance(v, int | float) and not isinstance(v, bool) for v in bounds
        )
        if key in graph.states and not (numbers and not isinstance(value, tuple)):
            raise EquationError(
                f"cell {graph.name!r}: initial={{{key!r}: {value!r}}}: a state starts at a number."
            )
        vector = str(key).split(".")[0] in (*VECTORS, *SCALARS)
        if not numbers and not (isinstance(value, str) and value in RULES and not vector):
            raise EquationError(
                f"cell {graph.name!r}: initial={{{key!r}: {value!r}}} is no rule; there are "
                f"numbers, bounds (low, high) and, for matrices, {', '.join(RULES)}."
            )


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
        check_initial(graph, self.initial)

    def __deepcopy__(self, memo: object) -> Cell:
        return self  # it never changes; a copy would forget its function

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
        trace = self._trace
        if trace is None:
            return Cell(self.graph.with_constants(constants), self.initial, self.documentation)

        def trace_again(further: Mapping[str, Any]) -> Graph:
            return trace({**constants, **further})

        graph = trace_again({})
        return Cell(graph, self.initial, self.documentation, self.function, trace_again)

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
        graph = Graph.from_dict(document["graph"])
        initial, documentation = document.get("initial", {}), document.get("documentation", "")
        if not isinstance(initial, Mapping) or not isinstance(documentation, str):
            raise EquationError("this is not the description of a cell: its texts are damaged.")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in initial.items()}
        return cls(graph, values, documentation)  # type: ignore[arg-type]

    def __call__(self, *_arguments: object, **_options: object) -> NoReturn:
        """Not a function: an error that says how a cell is run, and used inside another."""
        raise EquationError(
            f"{self.name}(...): a cell is run by a layer, gw.Recurrent({self.name}, input_size, "
            f"hidden_size); its equations inside another cell are {self.name}.function("
            f"{', '.join((*self.graph.inputs, *self.states))}), a dict of values."
        )

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
    if function is not None and not inspect.isroutine(function):
        raise EquationError(
            f"@cell stands above a function, not {function!r}; its options go by name, as in "
            "@cell(states=('h', 'c'))."
        )
    if function is None:
        return lambda f: cell(f, states=states, inputs=inputs, output=output, initial=initial)
    declaration = Declaration(function, states, inputs, output)
    graph = declaration.trace({})
    check_initial(graph, initial or {}, strict=not declaration.shaping)
    return Cell(graph, initial, _documentation(function), function, declaration.trace)


def _documentation(function: Callable[..., Any]) -> str:
    """The function's own text, or its module's when the module is named after it (a cell file)."""
    if function.__doc__:
        return function.__doc__
    module = function.__module__ or ""  # code of `exec` has none
    same = module.rpartition(".")[2] == function.__name__
    return (getattr(sys.modules.get(module), "__doc__", None) or "") if same else ""
