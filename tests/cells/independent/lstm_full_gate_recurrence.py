"""The paper's block in NumPy, variant FGR: R_ab leads from gate a to gate b."""

from tests.cells.independent.odyssey import block


def step(x, states, parameters, constants):
    recurrence = [
        sum(states[source] @ parameters[f"R.{source}_{gate}"].T for source in "ifo")
        for gate in "ifo"
    ]
    return block(x, states, parameters, "FGR", recurrence)
