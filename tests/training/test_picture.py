import warnings

import pytest
from matplotlib.figure import Figure

from gatewise.training.picture import picture_of


@pytest.mark.parametrize(
    "name", ["$$", "a$_b_c$", "\N{THUMBS UP SIGN}", "\N{CJK UNIFIED IDEOGRAPH-597D}"]
)
def test_names_are_drawn_whatever_they_hold(name):
    figure = Figure()
    axes = figure.add_subplot()
    axes.set_xticks([1, 2], [name, "b"])
    axes.set_title(name)
    axes.set_yscale("log")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert picture_of(figure).startswith(b"\x89PNG")
    assert all(label.get_parse_math() for label in axes.get_yticklabels())
