"""Expressions as one line of plain text, as a person would type them."""

from __future__ import annotations

from gatewise.equations.expression import Expression, topological

INFIX = {
    "add": (" + ", 1),
    "matrix_add": (" + ", 1),
    "subtract": (" - ", 1),
    "matrix_subtract": (" - ", 1),
    "multiply": (" * ", 2),
    "scale": (" * ", 2),
    "divide": (" / ", 2),
    "product": (" @ ", 2),
    "matrix_product": (" @ ", 2),
    "less": (" < ", 0),
    "less_equal": (" <= ", 0),
    "and": (" & ", 0),
    "or": (" | ", 0),
}
LEAVES = ("input", "given", "state", "constant", "parameter")


LONGEST = 300
"""Characters after which an expression is cut: shared parts are written out, and may grow fast."""


def to_text(root: Expression) -> str:
    """The expression as text; shared parts are written out wherever they stand."""
    texts: dict[Expression, tuple[str, int]] = {}
    for node in topological([root]):
        text, level = _one(node, [texts[operand] for operand in node.operands])
        texts[node] = (text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …", level)
    return texts[root][0]


def _one(node: Expression, operands: list[tuple[str, int]]) -> tuple[str, int]:
    """The text of a node and how tightly it binds: 0 loosest, 9 never needs brackets."""
    operation = node.operation
    if operation in LEAVES:
        return node.name, 9
    if operation == "number":
        return f"{node.attributes[0]:g}", 9 if node.attributes[0] >= 0 else 1
    if operation == "cotangent":
        return f"d{node.name}", 9
    if operation in INFIX:
        sign, level = INFIX[operation]
        # the right side of - / @ needs brackets at its own level too
        right = level if operation in ("add", "matrix_add", "multiply") else level + 1
        return sign.join((_bracket(operands[0], level), _bracket(operands[1], right))), level
    if operation == "negate":
        return f"-{_bracket(operands[0], 2)}", 1
    if operation == "not":
        return f"~{_bracket(operands[0], 9)}", 3
    if operation == "transpose":
        return f"{_bracket(operands[0], 9)}.T", 9
    arguments = ", ".join(text for text, _ in operands)
    if operation == "layer_norm":
        part = f"[{node.attributes[0]}]" if len(operands) > 1 else ""
        return f"layer_norm({arguments}){part}", 9
    if operation == "block_diagonal":
        return f"block_diagonal({arguments}, {node.attributes[0]})", 9
    return f"{operation}({arguments})", 9


def _bracket(operand: tuple[str, int], level: int) -> str:
    text, own = operand
    return text if own >= level else f"({text})"
