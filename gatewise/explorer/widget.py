"""The page inside a notebook: the same file, in a frame of its own."""

from __future__ import annotations

import html
from typing import Any

from gatewise.explorer.choice import subject_of
from gatewise.explorer.export import page

HEIGHT = 800
ALLOWED = "allow-scripts allow-forms"  # the page's controls are forms, which send nothing

SCRIPT = """
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", model.get("allowed"));
  frame.title = model.get("title");
  frame.style.cssText = `width:100%;border:0;height:${model.get("height")}px`;
  frame.srcdoc = model.get("page");
  el.append(frame);
}
export default { render };
"""


def explore(model: Any, input: Any, height: int = HEIGHT) -> Any:
    """Show a model in a notebook; see `export` for what can be shown.

    Saved notebooks keep it: the page stands in the output, and needs no kernel to be seen.

    Args:
        model: a trained model as `gatewise.load` returns it, or a recurrent layer.
        input: what it reads.
        height: of the frame, in pixels.

    Returns:
        An anywidget, with the page as plain HTML for where widgets are not shown.

    Raises:
        TypeError: the model or the input cannot be shown.
        ValueError: the input does not suit the model.
    """
    subject = subject_of(model, input)
    return _widget_class()(page=page(subject), title=subject.title, height=height)


def frame(text: str, title: str, height: int = HEIGHT) -> str:
    """A page as an HTML frame that holds it whole."""
    return (
        f'<iframe sandbox="{ALLOWED}" title="{html.escape(title)}" '
        f'style="width:100%;border:0;height:{height}px" srcdoc="{html.escape(text)}"></iframe>'
    )


def _widget_class() -> Any:
    """The widget's class, made when it is first asked for: anywidget is an extra."""
    import anywidget
    import traitlets

    class Explorer(anywidget.AnyWidget):
        """A page of the explorer."""

        _esm = SCRIPT
        page = traitlets.Unicode().tag(sync=True)
        title = traitlets.Unicode().tag(sync=True)
        height = traitlets.Int(HEIGHT).tag(sync=True)
        allowed = traitlets.Unicode(ALLOWED).tag(sync=True)

        def _repr_mimebundle_(self, **options: Any) -> Any:
            found = super()._repr_mimebundle_(**options)
            data, metadata = found if isinstance(found, tuple) else (found, {})
            shown = frame(self.page, self.title, self.height)
            return {**(data or {}), "text/html": shown}, metadata

    return Explorer
