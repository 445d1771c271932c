"""Expressions as one line of plain text, as a person would type them."""

from __future__ import annotations

from gatewise.equations.symbol import Expression, topological

LESS, OR, AND, SUM, PRODUCT, SIGN, ATOM = range(7)
"""How tightly operators bind, as in Python."""

INFIX = {
    "less": (" < ", LESS),
    "less_equal": (" <= ", LESS),
    "or": (" | ", OR),
    "and": (" & ", AND),
    "add": (" + ", SUM),
    "matrix_add": (" + ", SUM),
    "subtract": (" - ", SUM),
    "matrix_subtract": (" - ", SUM),
    "multiply": (" * ", PRODUCT),
    "scale": (" * ", PRODUCT),
    "divide": (" / ", PRODUCT),
    "product": (" @ ", PRODUCT),
    "matrix_product": (" @ ", PRODUCT),
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
    """The text of a node and how tightly it binds."""
    operation = node.operation
    if operation in LEAVES:
        return node.name, ATOM
    if operation == "number":
        return f"{node.attributes[0]:g}", ATOM if node.attributes[0] >= 0 else SIGN
    if operation == "cotangent":
        return f"d{node.name}", ATOM
    if operation in INFIX:
        return _infix(node, operands)
    if operation in ("negate", "not"):
        return f"{'-' if operation == 'negate' else '~'}{_bracket(operands[0], SIGN)}", SIGN
    if operation == "transpose":
        return f"{_bracket(operands[0], ATOM)}.T", ATOM
    arguments = ", ".join(text for text, _ in operands)
    if operation == "layer_norm":
        part = f"[{node.attributes[0]}]" if len(operands) > 1 else ""
        return f"layer_norm({arguments}){part}", ATOM
    if operation == "block_diagonal":
        return f"block_diagonal({arguments}, {node.attributes[0]})", ATOM
    return f"{'total' if operation == 'row_sum' else operation}({arguments})", ATOM


def _infix(node: Expression, operands: list[tuple[str, int]]) -> tuple[str, int]:
    sign, level = INFIX[node.operation]
    # a sum may be regrouped; * / @ read from left to right, so their right side keeps its brackets
    regrouped = node.operation == "add"
    left = _bracket(operands[0], level + 1 if level == LESS else level)
    return f"{left}{sign}{_bracket(operands[1], level if regrouped else level + 1)}", level


def _bracket(operand: tuple[str, int], level: int) -> str:
    text, own = operand
    return text if own >= level else f"({text})"
