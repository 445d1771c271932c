"""Look inside recurrent networks: what they compute at every step, and what that leads to."""

from gatewise.lens.gradient_by_lag import InnerGradients, gradient_by_lag, inner_gradients

__all__ = ["InnerGradients", "gradient_by_lag", "inner_gradients"]
