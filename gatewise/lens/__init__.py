"""Look inside recurrent networks: what they compute at every step, and what that leads to."""

from gatewise.lens.attribution import Attribution, embedded
from gatewise.lens.comparison import (
    OutputComparison,
    StateComparison,
    compare_outputs,
    compare_states,
)
from gatewise.lens.connectivity import Connectivity, connectivity
from gatewise.lens.contextual_decomposition import Decomposition, contextual_decomposition
from gatewise.lens.deletion import Deletion, deletion_check
from gatewise.lens.fixed_points import FixedPoints, fixed_points
from gatewise.lens.gradient_by_lag import InnerGradients, gradient_by_lag, inner_gradients
from gatewise.lens.health import Finding, HealthReport, check_health
from gatewise.lens.integrated_gradients import integrated_gradients
from gatewise.lens.intervene import intervene
from gatewise.lens.interventions import Intervention, ablate, clamp, freeze, replace_state
from gatewise.lens.jacobian import JacobianSpectrum, jacobian_spectrum, state_jacobians
from gatewise.lens.ledger import Ledger, memory_ledger
from gatewise.lens.lyapunov import LyapunovExponents, lyapunov_exponents
from gatewise.lens.occlusion import occlusion
from gatewise.lens.probe import Probe, linear_probe
from gatewise.lens.reach import Reach, compare_reach
from gatewise.lens.record import Record, TraceError
from gatewise.lens.saturation import Saturation, saturation
from gatewise.lens.temporal_rescaling import temporal_rescaling
from gatewise.lens.timescales import Timescale, timescales
from gatewise.lens.trace import Trace, trace
from gatewise.lens.trajectory import Trajectory, trajectory
from gatewise.lens.unit_ablation import AblationRanking, rank_units
from gatewise.lens.unit_search import LabelSearch, Match, find_matches, search_label, units_on

__all__ = [
    "AblationRanking",
    "Attribution",
    "Connectivity",
    "Decomposition",
    "Deletion",
    "Finding",
    "FixedPoints",
    "HealthReport",
    "InnerGradients",
    "Intervention",
    "JacobianSpectrum",
    "LabelSearch",
    "Ledger",
    "LyapunovExponents",
    "Match",
    "OutputComparison",
    "Probe",
    "Reach",
    "Record",
    "Saturation",
    "StateComparison",
    "Timescale",
    "Trace",
    "TraceError",
    "Trajectory",
    "ablate",
    "check_health",
    "clamp",
    "compare_outputs",
    "compare_reach",
    "compare_states",
    "connectivity",
    "contextual_decomposition",
    "deletion_check",
    "embedded",
    "find_matches",
    "fixed_points",
    "freeze",
    "gradient_by_lag",
    "inner_gradients",
    "integrated_gradients",
    "intervene",
    "jacobian_spectrum",
    "linear_probe",
    "lyapunov_exponents",
    "memory_ledger",
    "occlusion",
    "rank_units",
    "replace_state",
    "saturation",
    "search_label",
    "state_jacobians",
    "temporal_rescaling",
    "timescales",
    "trace",
    "trajectory",
    "units_on",
]
