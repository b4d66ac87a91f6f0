"""Algorithm 1: hypergradient matching along trajectories, and its published preset."""

import itertools
from dataclasses import replace

import pytest
import torch

from graphcond.condensers import GCond, HypergradientMatching, Trajectories
from graphcond.condensers.hcdc import condenser as module
from graphcond.condensers.hcdc import teachers as teachers_module
from graphcond.condensers.hcdc import trajectories
from graphcond.condensers.hcdc.teachers import SharedTeacher, TrainedTeacher
from graphcond.data import parts
from graphcond.hypergrad import BilevelProblem, Implicit
from graphcond.linalg import Neumann
from graphcond.nn import filter_operator
from graphcond.spaces import PolynomialFilters
from graphcond.training import FilterTraining
from graphcond.training.filter_problem import FilterLearner
from graphcond.training.filter_program import node_losses
from graphcond.training.graph_descent import Descent
from tests.condensers.matching import BY_NAME, TEACHERS, condenser, planted


@pytest.mark.parametrize("teacher", TEACHERS, ids=list(BY_NAME))
def test_algorithm_1_follows_trajectories(teacher):
    plan = Trajectories(starts=4, num_seeds=2, epochs=5, warmup=1, every=2)
    result = condenser(over=plan, teacher=teacher).condense(planted())
    assert [entry["step"] for entry in result.history if entry["part"] == "match"] == [4, 8]


def test_teachers_pull_the_validation_graph_of_algorithm_1_to_different_places():
    plan = Trajectories(starts=4, num_seeds=1, epochs=5, warmup=1, every=2)
    made = [condenser(over=plan, teacher=teacher)(planted()).x for teacher in TEACHERS]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(made, 2))


def test_trajectories_lower_the_distance_between_hypergradients():
    recipe = FilterTraining(learning_rate=0.1, weight_decay=5e-3)
    result = condenser(
        over=Trajectories(starts=16, num_seeds=1, epochs=50, warmup=20, every=10), recipe=recipe
    ).condense(planted())
    record = result.history[-1]
    assert record["hypergradient"] < 0.8 * record["hypergradient_start"]


def test_the_published_preset_is_algorithm_1_field_by_field():
    method = HypergradientMatching.published(num_nodes=9, num_val=6, seed=4)
    assert method == HypergradientMatching(
        num_nodes=9,
        num_val=6,
        seed=4,
        training=GCond(),
        hypergradient=Implicit(Neumann(terms=20, guarded=False), direct=False),
        teacher=SharedTeacher(),
        over=Trajectories(
            starts=16,
            num_seeds=2,
            epochs=80,
            warmup=0,
            every=10,
            learning_rate=0.05,
            unit_moves=False,
        ),
        links=0,
        curvature="hessian",
    )


def test_the_published_preset_condenses_and_learns_from_gradient_matching():
    plan = Trajectories(starts=3, num_seeds=1, epochs=4, warmup=0, every=2, unit_moves=False)
    short = replace(GCond(), num_seeds=1, steps=2)
    method = replace(
        HypergradientMatching.published(num_nodes=9, num_val=6), over=plan, training=short
    )
    result = method.condense(planted())
    assert int(result.data.train_mask.sum()) == 9
    assert int(result.data.val_mask.sum()) == 6
    assert result.report["teacher"] == "shared"


def test_moves_of_unit_length_have_it_and_printed_ones_follow_the_slope(monkeypatch):
    seen = []
    relax = PolynomialFilters.relax
    monkeypatch.setattr(
        PolynomialFilters, "relax", lambda self, lam: seen.append(lam.clone()) or relax(self, lam)
    )
    moves = {}
    for unit in (True, False):
        seen.clear()
        plan = Trajectories(
            starts=3, num_seeds=1, epochs=1, warmup=0, learning_rate=0.01, unit_moves=unit
        )
        condenser(over=plan).condense(planted())
        start = PolynomialFilters().sample(3, seed=module.derive(0, "trajectories", 0))
        moves[unit] = seen[0] - start
    torch.testing.assert_close(moves[True].norm(dim=1), torch.full((3,), 0.01))
    assert not torch.allclose(moves[False].norm(dim=1), torch.full((3,), 0.01))
    cosine = torch.nn.functional.cosine_similarity(moves[True], moves[False], dim=1)
    torch.testing.assert_close(cosine, torch.ones(3))


def run_of(**changed):
    return module._Run(condenser(**changed), planted(), None)


def test_edges_of_trajectories_are_cut_in_the_gradient_and_in_the_result():
    plan = Trajectories(starts=2, num_seeds=1, epochs=2, warmup=0, every=1)
    _, val_graph = parts(condenser(over=plan, threshold=0.3)(planted()))
    assert val_graph.edge_weight.numel() > 0
    assert float(val_graph.edge_weight.min()) > 0.3
    run = run_of(over=plan, threshold=0.3)
    setting, descent = run.setting(), Descent(run.start(), 0.1, 0.1, 2)
    lam = PolynomialFilters().sample(2, seed=9)
    params = run.net.init(2, seed=0)
    found, _ = trajectories.condensed_gradient(setting, descent, params, lam)
    for slope in torch.autograd.grad(found.square().sum(), list(descent.graph.params.values())):
        assert bool((slope != 0).any())
    exported = descent.graph.to_data(0.3)
    operator = filter_operator(exported.edge_index, 9, exported.edge_weight)

    def outer(theta, hyper):
        return node_losses(run.net(theta, hyper, operator, exported.x), exported.y)

    inner = run.condensed.bilevel()
    wanted, _ = run.how.hypergradient.solve(
        BilevelProblem(inner.inner_loss, outer, inner.curvature), params, lam
    )
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_lambda_moves_every_so_many_steps_and_both_sides_are_at_the_moved_one(every, monkeypatch):
    asked, moved = [], []
    slopes = teachers_module._ClosedFormCompanion.slopes
    relax = PolynomialFilters.relax
    monkeypatch.setattr(
        teachers_module._ClosedFormCompanion,
        "slopes",
        lambda self, students, lam: asked.append(lam.clone()) or slopes(self, students, lam),
    )
    monkeypatch.setattr(
        PolynomialFilters, "relax", lambda self, lam: moved.append(relax(self, lam)) or moved[-1]
    )
    plan = Trajectories(starts=2, num_seeds=1, epochs=7, warmup=1, every=every)
    condenser(over=plan)(planted())
    assert len(moved) == len([epoch for epoch in range(1, 7) if epoch % every == 0])
    assert len(asked) == 6
    assert torch.equal(asked[-1], moved[-1])


def test_students_and_teachers_of_trajectories_are_trained_at_every_step(monkeypatch):
    steps, step = [], FilterLearner.step
    monkeypatch.setattr(
        FilterLearner,
        "step",
        lambda self, lam: steps.append(self.problem.graph.num_nodes) or step(self, lam),
    )
    plan = Trajectories(starts=2, num_seeds=2, epochs=3, warmup=1, every=1)
    condenser(over=plan, teacher=TrainedTeacher())(planted())
    assert steps == [9, 120] * 6
