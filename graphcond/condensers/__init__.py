"""Condensers: PyG transforms from a graph data set to a much smaller one, one algorithm a file."""

from graphcond.condensers.base import (
    Condensation,
    Condenser,
    Draft,
    InteractionCondenser,
    NodeCondenser,
)
from graphcond.condensers.dconrec.condenser import PolicyGradient
from graphcond.condensers.dconrec.one_step import UnrolledBPR
from graphcond.condensers.dconrec.outer_loop import Schedule
from graphcond.condensers.dconrec.outer_loss import (
    HeldOutInteractions,
    OuterInteractions,
    TeacherFavourites,
    ValidationInteractions,
)
from graphcond.condensers.hcdc.condenser import HypergradientMatching
from graphcond.condensers.hcdc.objective import Weights
from graphcond.condensers.hcdc.pool import Pool
from graphcond.condensers.hcdc.supernet_matching import SupernetMatching
from graphcond.condensers.hcdc.teachers import (
    LinearTeacher,
    RandomFeaturesTeacher,
    SharedTeacher,
    Teacher,
    TrainedTeacher,
)
from graphcond.condensers.hcdc.trajectories import Trajectories
from graphcond.condensers.interactions.baselines import (
    Majority,
    RandomInteractions,
    SVPEasiest,
    SVPHardest,
)
from graphcond.condensers.interactions.doscond import DosCondInteractions
from graphcond.condensers.interactions.popular_core import PopularCore
from graphcond.condensers.interactions.teacher_choice import Mixture, TeacherChoice, fit_teacher
from graphcond.condensers.nodes.coarsening import Coarsening
from graphcond.condensers.nodes.coreset import Herding, KCenter, RandomNodes
from graphcond.condensers.nodes.distribution_matching import DistributionMatching
from graphcond.condensers.nodes.gradient_matching import DosCond, GCond, GCondX, GradientMatching
from graphcond.condensers.nodes.kernel_inducing_points import KernelInducingPoints
from graphcond.condensers.nodes.learner import LearnedNodes
from graphcond.condensers.nodes.neighbourhoods import SampledNeighbourhoods
from graphcond.condensers.nodes.partition import Partition
from graphcond.condensers.nodes.trajectory_matching import TrajectoryMatching
from graphcond.condensers.selection import NodeSelection
from graphcond.condensers.synthesis import NodeSynthesis, WorseThanRandomWarning
from graphcond.pools import Tail

__all__ = [
    "Coarsening",
    "Condensation",
    "Condenser",
    "DistributionMatching",
    "DosCond",
    "DosCondInteractions",
    "Draft",
    "GCond",
    "GCondX",
    "GradientMatching",
    "HeldOutInteractions",
    "Herding",
    "HypergradientMatching",
    "InteractionCondenser",
    "KCenter",
    "KernelInducingPoints",
    "LearnedNodes",
    "LinearTeacher",
    "Majority",
    "Mixture",
    "NodeCondenser",
    "NodeSelection",
    "NodeSynthesis",
    "OuterInteractions",
    "Partition",
    "PolicyGradient",
    "Pool",
    "PopularCore",
    "RandomFeaturesTeacher",
    "RandomInteractions",
    "RandomNodes",
    "SVPEasiest",
    "SVPHardest",
    "SampledNeighbourhoods",
    "Schedule",
    "SharedTeacher",
    "SupernetMatching",
    "Tail",
    "Teacher",
    "TeacherChoice",
    "TeacherFavourites",
    "TrainedTeacher",
    "Trajectories",
    "TrajectoryMatching",
    "UnrolledBPR",
    "ValidationInteractions",
    "Weights",
    "WorseThanRandomWarning",
    "fit_teacher",
]
