"""Figures as files, whatever names of classes and columns stand in them."""

import io
import warnings
from typing import Any


def picture_of(figure: Any) -> bytes:
    """Return a figure of matplotlib as PNG.

    Names are shown as they are: a dollar sign begins no formula, and a letter that no font has is a
    box without a warning.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):  # the powers of ten of a logarithmic axis come later
        if "$" in text.get_text():
            text.set_parse_math(False)
    held = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(held, format="png", dpi=120)
    return held.getvalue()
