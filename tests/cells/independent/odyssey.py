"""The LSTM block of Greff et al. (2017), section II, in NumPy, and its variants by their names."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def block(x, states, parameters, variant="V", recurrence=(0.0, 0.0, 0.0)):
    """One step in the paper's order and letters: block input z, then gates, output y.

    Args:
        x: input, ``(B, I)``.
        states: last output ``h`` and cell state ``c``.
        parameters: ours.
        variant: ``"V"`` (vanilla), ``"NIG"``, ``"NOG"``, ``"NIAF"``, ``"NOAF"`` or ``"FGR"``.
        recurrence: FGR's further terms of the input, forget and output gates.

    Returns:
        The new ``h`` and ``c``, and the gates ``i``, ``f`` and ``o``.
    """
    last_y, last_c = states["h"], states["c"]

    def weighted(k):
        product = x @ parameters[f"W.{k}"].T + last_y @ parameters[f"U.{k}"].T
        return product + parameters[f"b.{k}"]

    def gate(k, seen, more):
        return sigmoid(weighted(k) + parameters[f"p.{k}"] * seen + more)

    z = weighted("g") if variant == "NIAF" else np.tanh(weighted("g"))
    i = np.ones_like(z) if variant == "NIG" else gate("i", last_c, recurrence[0])
    f = gate("f", last_c, recurrence[1])
    c = z * i + last_c * f
    o = np.ones_like(z) if variant == "NOG" else gate("o", c, recurrence[2])
    y = (c if variant == "NOAF" else np.tanh(c)) * o
    return {"h": y, "c": c, "i": i, "f": f, "o": o}
