"""HCDC: a condensed validation graph whose hypergradients, and so whose ranking of hyperparameters,
are the original's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, final

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphcond.condensers.base import Draft, NodeCondenser
from graphcond.condensers.hcdc.pool import Pool, PoolForm
from graphcond.condensers.hcdc.teachers import Lesson, LinearTeacher, SharedTeacher, Teacher
from graphcond.condensers.hcdc.trajectories import Setting, Trajectories, follow
from graphcond.condensers.nodes.gradient_matching import GCond
from graphcond.condensers.nodes.partition import Partition
from graphcond.condensers.synthesis import NodeSynthesis
from graphcond.data import Checkpoint, parts, union
from graphcond.data.progress import Progress
from graphcond.errors import (
    require,
    require_at_least,
    require_one_of,
    require_positive,
    require_share,
)
from graphcond.hypergrad import Implicit
from graphcond.linalg import CG, Neumann
from graphcond.nn.adjacency import Adjacency, AdjacencyName, homophilous_start, make_adjacency
from graphcond.nn.filters import PolynomialFilterNet, filter_operator
from graphcond.nn.synthetic import SyntheticGraph, class_samples, export, synthetic_labels
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters
from graphcond.training.filter_graphs import FilterGraph, filter_graph
from graphcond.training.filter_problem import FilterProblem
from graphcond.training.filter_program import FilterTraining
from graphcond.training.graph_descent import Descent
from graphcond.typing import Tensors


@final
@dataclass(frozen=True)
class HypergradientMatching(NodeCondenser):
    """HCDC: minimise Σ_λ D_c(∇L*_T(λ), ∇L*_S(λ)) over the condensed validation graph, the condensed
    training graph being given.

    S_train comes from another condenser. Models trained on it validate on S_val, whose features and
    edges are learned until their losses, accuracies and hypergradients over a pool of λ agree with
    the original's. S_val's features stay in the span of S_train's: what training never saw, weights
    only answer with noise. With ``over=Trajectories()`` they are free. The defaults are ours;
    :meth:`published` is Algorithm 1 as printed.

    Args:
        net: The architecture; None: two layers of width 16 for this data set.
        space: Where λ is drawn from; the draws have a stream of their own, so ``space.sample(n,
            seed)`` is held out.
        training: Condenser that makes S_train; its own budget and seed are replaced by this one's.
        hypergradient: Solver, damping, and whether the direct term is kept, for both graphs.
        teacher: Who answers for the original: :class:`LinearTeacher` or
            :class:`RandomFeaturesTeacher`, which have closed forms and never train on it,
            :class:`TrainedTeacher`, or :class:`SharedTeacher` as in Algorithm 1.
        over: The pool, or the trajectories of Algorithm 1.
        links: Where S_train comes without edges, the most similar nodes of its class that a node is
            joined with; without any, all filters collapse to one number on it. 0 leaves it as it
            is.
        adjacency: Edges of S_val: ``"learned"``, ``"mlp"``, ``"bernoulli"`` or ``"identity"``.
        threshold: Edge weights of S_val up to this are cut, in the second half of the steps and in
            the result.
        learning_rate: Adam's step for S_val's features, in units of their root mean square, > 0.
        edge_learning_rate: Adam's step for S_val's edge logits, > 0; a network that makes edges
            learns at a twentieth of it.
        recipe: How networks are trained, here and when the result is used; students are trained for
            all its epochs, and along trajectories of Algorithm 1, which have a length of their own,
            without dropout.
        curvature: ``"gauss-newton"`` (positive definite) or ``"hessian"`` for the inner solves.

    Source: HCDC, equation HCDC, section 5, Algorithm 1. Deviations: the direct term of the
        hypergradient, the value and accuracy terms, the pool, and features in the span of
        S_train's.
    """

    net: PolynomialFilterNet | None = None
    space: PolynomialFilters = field(default_factory=PolynomialFilters)
    training: NodeCondenser = field(default_factory=lambda: Partition(hops=0, labels="train"))
    hypergradient: Implicit = field(default_factory=lambda: Implicit(CG(max_steps=10)))
    teacher: Teacher = field(default_factory=LinearTeacher)
    over: Pool | Trajectories = field(default_factory=Pool)
    links: int = 2
    adjacency: AdjacencyName | Adjacency = "learned"
    threshold: float = 0.02
    learning_rate: float = 0.15
    edge_learning_rate: float = 0.2
    recipe: FilterTraining = field(default_factory=FilterTraining)
    curvature: Literal["gauss-newton", "hessian"] = "gauss-newton"

    def __post_init__(self) -> None:
        require(
            isinstance(self.teacher, Teacher),
            f"`teacher` must be a Teacher, but it is {self.teacher!r}. Pass LinearTeacher().",
        )
        require_share("Edge weights lie in [0, 1].", threshold=self.threshold)
        for name in ("learning_rate", "edge_learning_rate"):
            rate = getattr(self, name)
            require_positive("0.2 is usual.", **{name: rate})
        require_at_least(0, "2 is usual, 0 adds none.", links=self.links)
        make_adjacency(self.adjacency)
        require(
            self.teacher.is_network or self.hypergradient.direct,
            "A teacher in closed form always has the direct term, but `hypergradient` is"
            f" {self.hypergradient}. Pass teacher=TrainedTeacher() to leave it out.",
        )
        require_one_of(
            ("gauss-newton", "hessian"),
            "Gauss-Newton products are positive definite.",
            curvature=self.curvature,
        )

    @classmethod
    def published(
        cls,
        net: PolynomialFilterNet | None = None,
        *,
        ratio: float | None = None,
        num_nodes: int | None = None,
        num_val: int | None = None,
        seed: int = 0,
    ) -> HypergradientMatching:
        """Return HCDC as printed.

        S_train by gradient matching. Weights trained on it answer for the original as well. No
        direct term, a Neumann series with the Hessian, D_c alone, moves of λ along the slope
        every T_λ steps, and a step on S_val from the first step on.

        Args:
            net: The architecture; None: two layers of width 16.
            ratio: Share of nodes in the condensed training graph; give this or ``num_nodes``.
            num_nodes: Condensed training nodes.
            num_val: Condensed validation nodes; None: as many.
            seed: Seed of every random choice.

        Returns:
            The condenser.

        Source: HCDC, Algorithm 1, equation IFT with no direct term, section 5.1. The paper leaves
            counts and rates open: those of :class:`Trajectories` are taken, and 20 terms with a
            step of 1 / λ_max. Deviations: Adam for θ and S_val, for the printed plain steps; S_val
            starts from validation nodes, not from noise.
        """
        return cls(
            net,
            ratio=ratio,
            num_nodes=num_nodes,
            num_val=num_val,
            seed=seed,
            training=GCond(),
            hypergradient=Implicit(Neumann(terms=20, guarded=False), direct=False),
            teacher=SharedTeacher(),
            over=Trajectories(warmup=0, unit_moves=False),
            links=0,
            curvature="hessian",
        )

    def _condense(self, data: Data, checkpoint: Checkpoint | None) -> Draft:
        run = _Run(self, data, checkpoint)
        if isinstance(self.over, Trajectories):
            descent = run.descent(run.start())
            follow(self.over, run.setting(), descent, run.progress)
            val_graph = descent.graph.to_data(self.threshold)
        else:
            val_graph = run.pool_form(self.over).match(lambda basis: run.descent(run.start(basis)))
        facts = {"teacher": self.teacher.name, "threshold": self.threshold, **run.facts}
        return Draft(union(run.train_graph, val_graph), run.progress.history, facts)


class _Run:
    """One condensation: its problems, its stages and its facts for the card."""

    def __init__(
        self, how: HypergradientMatching, data: Data, checkpoint: Checkpoint | None
    ) -> None:
        self.how = how
        self.data = data
        self.facts = dict[str, float]()
        self.progress = Progress(checkpoint)
        self.checkpoint = checkpoint
        require(
            bool(torch.isin(data.y[data.train_mask], data.y[data.val_mask]).any()),
            "`train_mask` and `val_mask` must have a class in common, but training nodes are of"
            f" classes {data.y[data.train_mask].unique().tolist()[:9]} and validation nodes of"
            f" {data.y[data.val_mask].unique().tolist()[:9]}. Split again:"
            " `split_nodes(data, seed=0)`.",
        )
        per_layer = how.space.num_layers > 1
        self.net = how.net or PolynomialFilterNet(
            data.num_features, 16, int(data.y.max()) + 1, basis=how.space.basis, per_layer=per_layer
        )
        self._check_net()
        self.budget = how.budget(data)
        self.train_graph = Data(**self.progress.stage("training graph", self._train_graph))
        gauss_newton = how.curvature == "gauss-newton"
        decay = how.recipe.weight_decay
        every = torch.arange(self.budget.num_train, device=data.x.device)
        small = self.train_graph
        operator = filter_operator(
            small.edge_index, int(small.num_nodes or 0), small.edge_weight, dtype=small.x.dtype
        )
        self.condensed = FilterProblem(
            self.net, FilterGraph(operator, small.x, small.y, every, every), decay, gauss_newton
        )
        self.full = FilterProblem(self.net, filter_graph(data), decay, gauss_newton)

    def _check_net(self) -> None:
        net = self.net
        space = self.how.space
        classes = int(self.data.y.max()) + 1
        fits = net.num_features == self.data.num_features and net.num_classes >= classes
        require(
            fits,
            f"`net` must take the data's {self.data.num_features} features and {classes} classes,"
            f" but it takes {net.num_features} and {net.num_classes}. Leave `net` away, or match"
            " it.",
        )
        same = net.basis == space.basis and net.per_layer == (space.num_layers > 1)
        require(
            same,
            "`net` and `space` must have one basis and one way to share coefficients, but they"
            f" have {(net.basis, net.per_layer)} and {(space.basis, space.num_layers > 1)}. Leave"
            " `net` away, or match it.",
        )

    @property
    def steps(self) -> int:
        """Steps on the validation graph in all."""
        over = self.how.over
        if isinstance(over, Trajectories):
            return over.num_seeds * over.steps
        return over.steps

    def _train_graph(self) -> Tensors:
        budget = self.budget
        how = self.how
        maker = replace(
            how.training,
            num_nodes=budget.num_train,
            ratio=None,
            of="nodes",
            num_val=budget.num_val,
            seed=how.seed,
        )
        if isinstance(maker, NodeSynthesis):
            graph, _ = maker.part(self.data, "train", budget.num_train)
        else:
            graph, _ = parts(maker._condense(self.data, None).data)
        if how.links and not graph.edge_index.numel():
            graph = export(graph.x, graph.y, homophilous_start(graph.x, graph.y, how.links))
        return {
            "x": graph.x,
            "edge_index": graph.edge_index,
            "edge_weight": graph.edge_weight,
            "y": graph.y,
        }

    def start(self, basis: Tensor | None = None) -> SyntheticGraph:
        """Return the validation graph to start from: validation nodes of the original, classes in
        the proportions of its training nodes.

        Args:
            basis: Features are coordinates in this orthonormal basis [r, d], nodes being projected
                onto its span; None: as they are.
        """
        data = self.data
        how = self.how
        val = data.val_mask & (data.y >= 0)
        seen = data.y[val].unique()
        y = synthetic_labels(
            data.y[data.train_mask & torch.isin(data.y, seen)], self.budget.num_val
        )
        x = class_samples(data.x[val], data.y[val], y, derive(how.seed, "validation graph"))
        if basis is not None:
            x = x @ basis.T
        return SyntheticGraph.start(x, y, how.adjacency, derive(how.seed, "validation edges"))

    def descent(self, graph: SyntheticGraph) -> Descent:
        """Return what moves the validation graph, over all steps."""
        how = self.how
        return Descent(graph, how.learning_rate, how.edge_learning_rate, self.steps)

    def lesson(self) -> Lesson:
        """Return what the teacher answers about."""
        how = self.how
        return Lesson(
            self.data,
            self.net,
            how.space,
            self.full,
            how.hypergradient,
            how.recipe,
            how.seed,
            self.checkpoint,
        )

    def setting(self) -> Setting:
        """Return what Algorithm 1 runs on."""
        how = self.how
        companion = self.how.teacher.companion(self.lesson())
        self.facts |= companion.facts
        return Setting(
            self.condensed,
            companion,
            how.space,
            how.hypergradient,
            how.recipe,
            how.threshold,
            how.seed,
        )

    def pool_form(self, pool: Pool) -> PoolForm:
        """Return what the pool form runs on."""
        how = self.how
        return PoolForm(
            pool,
            self.lesson(),
            how.teacher,
            self.condensed,
            how.threshold,
            self.progress,
            self.facts,
        )
