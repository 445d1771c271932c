import math

from matplotlib.figure import Figure

from gatewise.lens.plots import plot_gradient_by_lag


def test_gradient_is_drawn_on_a_logarithmic_axis_without_zeros():
    ax = Figure().subplots()
    plot_gradient_by_lag(ax, [1.0, 0.1, 0.0, math.nan, 1e-30], color="red", label="rnn")
    (line,) = ax.get_lines()
    assert ax.get_yscale() == "log"
    assert list(line.get_xdata()) == [0, 1, 4]
    assert list(line.get_ydata()) == [1.0, 0.1, 1e-30]
    assert (line.get_color(), line.get_label()) == ("red", "rnn")
