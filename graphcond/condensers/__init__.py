"""Condensers: PyG transforms from a graph data set to a much smaller one, one algorithm a file."""

from graphcond.condensers.base import Condensation, Condenser, Draft, InteractionCondenser, NodeCondenser
from graphcond.condensers.distribution_matching import DistributionMatching
from graphcond.condensers.doscond_interactions import DosCondInteractions
from graphcond.condensers.gradient_matching import DosCond, GCond, GCondX, GradientMatching
from graphcond.condensers.herding import Herding
from graphcond.condensers.hypergradient_matching import HypergradientMatching, Pool
from graphcond.condensers.hypergradient_objective import Weights
from graphcond.condensers.hypergradient_trajectories import Trajectories
from graphcond.condensers.k_center import KCenter
from graphcond.condensers.kernel_inducing import KernelInducingPoints
from graphcond.condensers.majority import Majority
from graphcond.condensers.outer_loop import Schedule
from graphcond.condensers.partition import Partition
from graphcond.condensers.policy_gradient import PolicyGradient, Tail
from graphcond.condensers.random_interactions import RandomInteractions
from graphcond.condensers.random_nodes import RandomNodes
from graphcond.condensers.selection_via_proxy import SVPEasiest, SVPHardest
from graphcond.condensers.synthesis import WorseThanRandomWarning
from graphcond.condensers.teacher_choice import TeacherChoice
from graphcond.condensers.trajectory_matching import TrajectoryMatching
from graphcond.condensers.unrolled import Unrolled

__all__ = [
    "Condensation",
    "Condenser",
    "DistributionMatching",
    "DosCond",
    "DosCondInteractions",
    "Draft",
    "GCond",
    "GCondX",
    "GradientMatching",
    "Herding",
    "HypergradientMatching",
    "InteractionCondenser",
    "KCenter",
    "KernelInducingPoints",
    "Majority",
    "NodeCondenser",
    "Partition",
    "PolicyGradient",
    "Pool",
    "RandomInteractions",
    "RandomNodes",
    "SVPEasiest",
    "SVPHardest",
    "Schedule",
    "Tail",
    "TeacherChoice",
    "Trajectories",
    "TrajectoryMatching",
    "Unrolled",
    "Weights",
    "WorseThanRandomWarning",
]
