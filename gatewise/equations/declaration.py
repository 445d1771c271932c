"""What a cell's function and its decorator declare, checked, and how the function is traced."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Set
from numbers import Real
from typing import Any

from gatewise.equations import expression as symbols
from gatewise.equations.expression import Condition, Matrix, Value
from gatewise.equations.graph import Graph, check_state_name
from gatewise.equations.size import Size
from gatewise.equations.symbol import EquationError, Expression, tracing

RESERVED = {
    "state": ("output",),  # the gradient of the output goes by this name
    "input": ("state", "lengths", "reset", "alive"),  # layers take these themselves
}

NO_SYMBOLS = ("Cell", "EquationError", "Graph", "Parameter", "cell")
"""Names of the language that do not stand in equations."""


class Declaration:
    """What a function and `@cell` say together, checked, and how to trace it."""

    def __init__(
        self,
        function: Callable[..., Any],
        states: Iterable[str] | Mapping[str, Size],
        inputs: Mapping[str, Size] | None,
        output: str | None,
    ):
        self.function, self.name = function, function.__name__
        if not self.name.isidentifier():
            raise self._fail(
                "a cell goes by its function's name, and a lambda has none; write def."
            )
        if isinstance(states, str):
            states = (states,)
        if isinstance(states, Set):
            raise self._fail(
                f"states={set(states)} has no order, and a layer returns the first state; write "
                "states=('h', 'c')."
            )
        names = list(states)
        self._unique(names, "state")
        self.states = dict(states) if isinstance(states, Mapping) else dict.fromkeys(names, "H")
        self.inputs = {"x": "I"} if inputs is None else dict(inputs)
        self._unique([*self.inputs, *self.states], "input or state")
        self.output = output or next(iter(self.states), "")
        signature = inspect.signature(function).parameters.values()
        self.arguments = [a.name for a in signature if a.kind == a.POSITIONAL_OR_KEYWORD]
        self.defaults = {a.name: a.default for a in signature if a.kind == a.KEYWORD_ONLY}
        for a in signature:
            if a.name not in (*self.arguments, *self.defaults):
                raise self._fail(f"{a} is not allowed: name each input and state.")
        self._check_names()
        self._check_arguments()

    @property
    def shaping(self) -> set[str]:
        """The constants that shape the graph: all but floats."""
        return {name for name, value in self.defaults.items() if not isinstance(value, float)}

    def _fail(self, message: str) -> EquationError:
        return EquationError(f"cell {self.name!r}: {message}")

    def _unique(self, names: list[str], kind: str) -> None:
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise self._fail(f"the {kind} name {sorted(twice)[0]!r} is used twice.")

    def _check_names(self) -> None:
        if not self.states:
            raise self._fail("it has no state, so it is not recurrent; say states=('h',).")
        if "x" not in self.inputs:
            raise self._fail(
                f"its inputs are {', '.join(self.inputs) or 'none'}; one of them is x, what a "
                "layer is called with: inputs=dict(x='I', ...)."
            )
        for kind, names in (("state", self.states), ("input", self.inputs)):
            for name in names:
                if kind == "state":
                    self._check_state(name)
                if name in RESERVED[kind]:
                    raise self._fail(f"{name!r} means something else already; rename the {kind}.")

    def _check_state(self, name: object) -> None:
        try:
            check_state_name(name)
        except EquationError as error:
            raise self._fail(str(error)) from None

    def _check_arguments(self) -> None:
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
        chosen = {**self.defaults, **self._checked(constants)}
        floats = {name: value for name, value in chosen.items() if isinstance(value, float)}
        try:
            values = self._returned(self._call(chosen))
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

    def _call(self, constants: Mapping[str, Any]) -> Any:
        """The function's result for symbols; floats among its constants are symbols too."""
        arguments: dict[str, Any] = {n: symbols.input_leaf(n) for n in self.inputs}
        arguments |= {n: symbols.state_leaf(n) for n in self.states}
        for name, value in constants.items():
            run_time = isinstance(value, float)
            arguments[name] = symbols.constant_leaf(name) if run_time else value
        try:
            with tracing():
                return self.function(**arguments)
        except NameError as error:
            raise EquationError(_unknown_name(error, arguments)) from error
        except (TypeError, AttributeError) as error:
            raise EquationError(
                f"{error}. Symbols know + - * / @ ** and the functions of gatewise.equations."
            ) from error

    def _checked(self, constants: Mapping[str, Any]) -> dict[str, Any]:
        checked = {}
        for name, given in constants.items():
            if name not in self.defaults:
                raise self._fail(
                    f"no constant {name!r}; it has {', '.join(self.defaults) or 'none'}."
                )
            default = self.defaults[name]
            real = isinstance(given, Real) and not isinstance(given, bool)
            value = float(given) if real and isinstance(default, float) else given
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
                raise self._fail(
                    f"the name {name!r} is used twice: it is an input or constant. "
                    "Give the value another name, or leave it out."
                )
            checked[name] = self._vector(name, value)
        for name in self.states:
            if name not in checked:
                raise self._fail(
                    f"it does not return its state {name!r}; return dict(..., {name}={name}), "
                    "with its new value."
                )
        if (
            checked.get(self.output) is symbols.state_leaf(self.output)
            and self.output in self.states
        ):
            raise self._fail(
                f"it returns its state {self.output!r} as the last step left it, and that is what "
                f"a layer returns: it would never change. Return the new value, "
                f"dict(..., {self.output}=...), or name another value: output='...'."
            )
        if self.output not in checked:
            raise self._fail(
                f"output={self.output!r} is not among the returned values {', '.join(checked)}."
            )
        return checked

    def _vector(self, name: str, value: object) -> Value:
        if isinstance(value, Value):
            return value
        what = {Matrix: "a matrix", Condition: "a condition"}.get(type(value), repr(value))  # type: ignore[call-overload]
        shown = f" ({value})" if isinstance(value, Expression) else ""
        raise self._fail(
            f"the value {name!r} is {what}{shown}, not a vector computed from symbols."
        )


def _unknown_name(error: NameError, arguments: Iterable[str]) -> str:
    """What to do about a name that the function has not got."""
    from gatewise import equations

    known = [name for name in equations.__all__ if name not in NO_SYMBOLS]
    name = (re.findall(r"'(\w+)'", str(error)) or [""])[0]
    if isinstance(error, UnboundLocalError):
        hidden = f", and it hides the {name} of gatewise.equations" if name in known else ""
        return (
            f"{name!r} is used before the line that gives it a value{hidden}. Compute it first, or "
            "give one of the two another name."
        )
    if name in known:
        return f"{name!r} is not imported: from gatewise.equations import {name}."
    near = difflib.get_close_matches(name, [*arguments, *known], n=3)
    return (
        f"the name {name!r} is not defined: it is no argument, no earlier line and no import. "
        + (
            f"Did you mean {' or '.join(near)}?"
            if near
            else f"gatewise.equations has {', '.join(known)}."
        )
    )
