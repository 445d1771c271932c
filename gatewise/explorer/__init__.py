"""A page that shows what every gate of a model does, opens offline, and can be changed."""

from gatewise.explorer.export import export
from gatewise.explorer.widget import explore

__all__ = ["explore", "export"]
