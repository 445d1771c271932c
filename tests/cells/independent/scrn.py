"""The paper's equations 3-5: torchrecurrent's SCRNCell hands the output on in place of h."""

import numpy as np


def step(x, states, parameters, constants):
    B, A, R = parameters["W.s"], parameters["W.h"], parameters["U.h"]
    P, U, V = parameters["V.h"], parameters["U.y"], parameters["V.y"]
    slowness = constants["alpha"]
    context = slowness * states["s"] + (1 - slowness) * x @ B.T
    hidden = 1 / (1 + np.exp(-(context @ P.T + x @ A.T + states["h"] @ R.T)))
    return {"h": hidden, "s": context, "output": hidden @ U.T + context @ V.T}
