"""The paper's block in NumPy, variant NIG."""

from tests.cells.independent.odyssey import block


def step(x, states, parameters, constants):
    return block(x, states, parameters, "NIG")
