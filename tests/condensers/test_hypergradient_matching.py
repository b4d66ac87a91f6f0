from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Data

from graphcond.condensers import (
    DosCond,
    HypergradientMatching,
    Partition,
    Pool,
    RandomNodes,
    Trajectories,
    Weights,
)
from graphcond.condensers.hcdc import condenser as module
from graphcond.condensers.hcdc import pool as pool_module
from graphcond.condensers.hcdc.objective import (
    Matching,
    Students,
    feature_basis,
    log_loss,
    narrowed,
    train_students,
)
from graphcond.condensers.hcdc.teachers import LinearTeacher, TrainedTeacher
from graphcond.data import Checkpoint, load, parts
from graphcond.errors import FileFormatError, InputError, NumericalError
from graphcond.hypergrad import Implicit
from graphcond.linalg import CG, Neumann
from graphcond.nn import PolynomialFilterNet, filter_operator
from graphcond.nn.adjacency import homophilous_start
from graphcond.spaces import PolynomialFilters
from graphcond.testing.contracts import CondenserContract
from graphcond.training import FilterTraining
from graphcond.training.filter_answers import Target
from graphcond.training.graph_descent import Descent
from tests.condensers.matching import BY_NAME, QUICK, SMALL, TEACHERS, condenser, planted


class TestContract(CondenserContract):
    def condenser(self, seed):
        return HypergradientMatching(
            num_nodes=4,
            num_val=4,
            over=Pool(size=10, batch=4, steps=2, copies=1),
            recipe=FilterTraining(epochs=2),
            seed=seed,
        )

    def data(self):
        return load("karate")


def test_agreement_on_held_out_filters_rises_far_above_the_start():
    result = condenser(
        over=Pool(size=50, batch=30, steps=60), recipe=FilterTraining(epochs=50)
    ).condense(planted())
    watched = [
        entry["watched_spearman_loss"] for entry in result.history if entry["part"] == "watch"
    ]
    assert watched[-1] > 0.85
    assert watched[-1] > watched[0] + 0.03


@pytest.mark.parametrize(
    "training", [RandomNodes(), Partition(), DosCond()], ids=lambda t: type(t).__name__
)
def test_any_condenser_makes_the_training_graph(training):
    small = condenser(training=training)(planted())
    train_graph, val_graph = parts(small)
    assert int(train_graph.num_nodes) == int(val_graph.num_nodes) == 9
    assert train_graph.edge_index.numel() > 0 or isinstance(training, RandomNodes)


def test_a_training_graph_without_edges_gets_links_unless_told_otherwise():
    plain = condenser(training=Partition(), links=0)(planted())
    assert parts(plain)[0].edge_index.numel() == 0
    assert parts(condenser(training=Partition())(planted()))[0].edge_index.numel() > 0


def test_weak_edges_are_cut_and_every_adjacency_learns():
    for adjacency in ("learned", "mlp", "bernoulli", "identity"):
        _, val_graph = parts(condenser(adjacency=adjacency, threshold=0.1)(planted()))
        assert bool((val_graph.edge_weight > 0.1).all())
        assert (val_graph.edge_index.numel() == 0) == (adjacency == "identity")


@pytest.mark.parametrize(
    "over",
    [Pool(size=10, batch=6, steps=41), Trajectories(starts=3, num_seeds=2, epochs=4, warmup=1)],
    ids=["pool", "trajectories"],
)
def test_an_interrupted_run_resumes_to_the_same_graph(tmp_path, monkeypatch, over):
    how, path = condenser(over=over), tmp_path / "state.safetensors"
    whole = how(planted())
    step, left = Descent.step, [30 if isinstance(over, Pool) else 4]

    def interrupted(self, objective):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        step(self, objective)

    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    monkeypatch.setattr(Descent, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        how.condense(planted(), checkpoint=path)
    monkeypatch.setattr(Descent, "step", step)
    resumed = how.condense(planted(), checkpoint=path)
    assert torch.equal(whole.x, resumed.data.x)
    assert torch.equal(whole.edge_weight, resumed.data.edge_weight)
    assert whole.card == resumed.data.card
    with pytest.raises(FileFormatError, match="same settings and data"):
        replace(how, seed=1).condense(planted(), checkpoint=path)
    weighted = planted()
    weighted.edge_weight = torch.ones(weighted.num_edges)
    with pytest.raises(FileFormatError, match="same settings and data"):
        how.condense(weighted, checkpoint=path)


def wide(n=120):
    """The planted graph with features that only some nodes have, as words in documents, and some
    that none has.
    """
    data = planted(n)
    g = torch.Generator().manual_seed(4)
    words = (torch.rand(n, 200, generator=g) < 0.02).float()
    data.x = torch.cat([data.x, words, torch.zeros(n, 5)], 1)
    return data


def test_validation_features_stay_in_the_span_of_the_training_features():
    for over in (SMALL, replace(SMALL, weights=Weights(0, 1, 0))):
        train_graph, val_graph = parts(condenser(over=over)(wide()))
        basis = feature_basis(train_graph.x)
        assert basis.shape == (9, 211)
        torch.testing.assert_close(basis @ basis.T, torch.eye(9), atol=1e-5, rtol=0)
        torch.testing.assert_close(val_graph.x @ basis.T @ basis, val_graph.x, atol=1e-5, rtol=1e-4)


def test_students_of_few_features_validate_as_those_of_all():
    run = module._Run(condenser(), wide(), None)
    lam, basis = PolynomialFilters().sample(5, seed=3), feature_basis(run.train_graph.x)
    problem, columns = narrowed(run.condensed)
    assert problem.net.num_features == len(columns) < 150
    start = run.net.init(5, seed=0)
    whole = train_students(run.condensed, start, lam, QUICK, seed=0)
    short = Students(
        lam,
        train_students(
            problem, {**start, "weight0": start["weight0"][:, columns]}, lam, QUICK, seed=0
        ),
    )
    graph = run.start(basis)
    operator = filter_operator(torch.tensor([[0, 1], [1, 0]]), 9)
    expected = run.net(whole, lam, operator, graph.x.detach() @ basis)
    seen = short.seen(basis[:, columns])
    found = replace(run.net, num_features=9)(seen.params, lam, operator, graph.x.detach())
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_noise_moves_the_first_layer_alone_by_its_own_spread():
    net, lam = (
        PolynomialFilterNet(50, hidden=40, num_classes=2),
        PolynomialFilters().sample(6, seed=3),
    )
    students = Students(lam, net.init(6, seed=0))
    target = Target(lam, torch.arange(1.0, 7), torch.rand(6))
    matching = Matching(net, (students,), target, Weights(0, 1, 0), noise=0.5)
    rows = torch.tensor([4, 1])
    plain, blurred = (
        matching._models(students, rows, stream)
        for stream in (None, torch.Generator().manual_seed(1))
    )
    assert torch.equal(plain["weight1"], blurred["weight1"])
    moved = (blurred["weight0"] - plain["weight0"]).std() / students.params["weight0"].std()
    assert float(moved) == pytest.approx(0.5, rel=0.05)
    assert not torch.equal(
        condenser()(planted()).x, condenser(over=replace(SMALL, noise=0.0))(planted()).x
    )


def test_a_diverging_solve_names_step_lambda_and_cure():
    with pytest.raises(
        NumericalError, match="at sensitivities of the condensed training graph.*λ = .*damping"
    ):
        condenser(hypergradient=Implicit(Neumann(terms=50, step=1e4)))(planted())


def test_nan_names_step_lambda_and_cure():
    data = planted()
    data.x *= 1e30
    with pytest.raises(NumericalError, match=r"λ = .*(check|Lower)"):
        condenser()(data)


def test_a_matching_step_that_fails_is_named(monkeypatch):
    distance, calls = Matching.distance, []

    def broken(self, graph, *args):
        calls.append(1)
        if len(calls) == 4:
            raise NumericalError("A loss is not a number, for λ = [0.1].")
        return distance(self, graph, *args)

    monkeypatch.setattr(Matching, "distance", broken)
    with pytest.raises(NumericalError, match=r"Matching step 3: .*λ = "):
        condenser()(planted())


def test_dropping_the_direct_term_changes_the_result():
    with_direct = condenser(over=replace(SMALL, weights=Weights(1, 0, 0)))
    with_direct = replace(with_direct, teacher=TrainedTeacher())
    without = replace(with_direct, hypergradient=Implicit(CG(max_steps=10), direct=False))
    assert not torch.equal(with_direct(planted()).x, without(planted()).x)
    with pytest.raises(InputError, match="direct term"):
        replace(without, teacher=LinearTeacher())


def test_held_out_filters_are_not_in_the_pool(monkeypatch):
    drawn, sample = [], PolynomialFilters.sample

    def spy(self, count, *, seed):
        drawn.append(seed)
        return sample(self, count, seed=seed)

    monkeypatch.setattr(PolynomialFilters, "sample", spy)
    for over in (SMALL, Trajectories(starts=2, num_seeds=1, epochs=3, warmup=1)):
        condenser(over=over)(planted())
    assert drawn
    assert not set(drawn) & set(range(1_000)), "a user's own seed would draw what the condenser saw"


@pytest.mark.parametrize(
    ("net", "law"),
    [
        (PolynomialFilterNet(7, 16, 3), "the data's 6 features"),
        (PolynomialFilterNet(6, 16, 2), "6 features and 3 classes"),
        (PolynomialFilterNet(6, 16, 3, basis="power"), "one basis"),
    ],
)
def test_a_net_that_does_not_fit_is_refused(net, law):
    with pytest.raises(InputError, match=law):
        condenser(net=net)(planted())


@pytest.mark.parametrize(
    "over",
    [SMALL, Trajectories(starts=2, num_seeds=1, epochs=3, warmup=1)],
    ids=["pool", "trajectories"],
)
@pytest.mark.parametrize("teacher", TEACHERS, ids=list(BY_NAME))
def test_float64_stays_float64(teacher, over):
    data = planted()
    data.x = data.x.double()
    assert condenser(teacher=teacher, over=over)(data).x.dtype == torch.float64


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"teacher": "oracle"}, "`teacher`"),
        ({"threshold": 1.0}, "`threshold`"),
        ({"learning_rate": 0.0}, "`learning_rate`"),
        ({"edge_learning_rate": 0.0}, "`edge_learning_rate`"),
        ({"links": -1}, "`links`"),
        ({"adjacency": "foo"}, "foo"),
        ({"curvature": "fisher"}, "`curvature`"),
    ],
)
def test_wrong_settings_name_the_law(change, law):
    with pytest.raises(InputError, match=law):
        condenser(**change)


def test_wrong_plans_name_the_law():
    with pytest.raises(InputError, match="`size` must be at least 10"):
        Pool(size=3)
    with pytest.raises(InputError, match="`noise` must be at least 0"):
        Pool(noise=-1.0)
    with pytest.raises(InputError, match="weights ≥ 0"):
        Weights(0, 0, 0)
    with pytest.raises(InputError, match="`starts`"):
        Trajectories(starts=0)


def test_images_are_grid_graphs():
    """Appendix C.2: pixels are nodes, labels are per pixel, images are split; the code is
    the same.
    """
    from sklearn.datasets import load_digits
    from torch_geometric.utils import grid

    pictures = torch.from_numpy(load_digits().images[:12]).float() / 16
    edge_index = grid(8, 8)[0]
    edge_index = torch.cat(
        [edge_index[:, edge_index[0] != edge_index[1]] + 64 * i for i in range(12)], 1
    )
    near = torch.nn.functional.avg_pool2d(pictures[:, None], 3, 1, 1)[:, 0]
    x = torch.stack([pictures, near], -1).view(-1, 2)
    image = torch.arange(12).repeat_interleave(64)
    data = Data(
        x=x,
        edge_index=edge_index,
        y=(pictures.view(-1) > 0.5).long(),
        train_mask=image < 6,
        val_mask=image >= 6,
    )
    result = condenser(num_nodes=8, num_val=8, over=Pool(size=40, batch=20, steps=60)).condense(
        data
    )
    watched = [
        entry["watched_spearman_loss"] for entry in result.history if entry["part"] == "watch"
    ]
    assert result.report["num_train"] == 8
    assert watched[-1] > max(watched[0], 0.5)


def test_a_loss_that_rounds_to_zero_keeps_the_objective_finite():
    loss = torch.tensor([0.0, 1e-12, 0.5], requires_grad=True)
    values = log_loss(loss)
    assert torch.isfinite(values).all()
    assert torch.isfinite(torch.autograd.grad(values.sum(), loss)[0]).all()
    assert float(values[2].detach()) == pytest.approx(-0.6931472)


def run_of(**changed):
    return module._Run(condenser(**changed), planted(), None)


def test_settings_reach_problems_sensitivities_and_the_objective(monkeypatch):
    for curvature in ("gauss-newton", "hessian"):
        run = run_of(curvature=curvature)
        wanted = curvature == "gauss-newton"
        assert run.condensed.gauss_newton == run.full.gauss_newton == wanted
    seen, solve = [], pool_module.sensitivity

    def spy(problem, params, lam, solver, damping):
        seen.append((solver, damping))
        return solve(problem, params, lam, solver, damping)

    made = []

    def matching(*args):
        made.append(args)
        return Matching(*args)

    monkeypatch.setattr(pool_module, "sensitivity", spy)
    monkeypatch.setattr(pool_module, "Matching", matching)
    how = Implicit(CG(max_steps=7), damping=0.3, direct=False)
    over = Pool(size=10, batch=4, steps=2, copies=2, noise=0.3, weights=Weights(1.0, 0.2, 0.1))
    condenser(hypergradient=how, over=over, teacher=TrainedTeacher())(planted())
    assert seen == [(CG(max_steps=7), 0.3)] * 2
    assert made[0][3:] == (over.weights, False, 0.3)
    assert len(made[0][1]) == 2


def test_copies_take_turns_and_kept_back_filters_are_never_fitted(monkeypatch):
    seen, distance = [], Matching.distance

    def spy(self, graph, rows, threshold, copy=0, stream=None):
        seen.append((rows.tolist(), threshold, copy))
        return distance(self, graph, rows, threshold, copy, stream)

    monkeypatch.setattr(Matching, "distance", spy)
    over = Pool(size=15, batch=4, steps=6, copies=2)
    condenser(over=over, threshold=0.1)(planted())
    assert [copy for _, _, copy in seen] == [0, 1] * 3
    assert [threshold for _, threshold, _ in seen] == [0.0] * 3 + [0.1] * 3
    assert not {row for rows, _, _ in seen for row in rows} & {0, 5, 10}
    assert all(len(set(rows)) == 4 for rows, _, _ in seen)
    assert len({tuple(rows) for rows, _, _ in seen}) > 3


def test_links_are_the_nearest_of_a_class_and_as_many_as_told():
    for links in (1, 3):
        graph = run_of(training=Partition(hops=0, labels="train"), links=links).train_graph
        wanted = homophilous_start(graph.x, graph.y, links).nonzero().T
        assert torch.equal(graph.edge_index, wanted)


def test_parts_without_a_common_class_are_refused():
    data = planted()
    data.y = torch.where(data.val_mask, 2, data.y % 2)
    with pytest.raises(InputError, match="a class in common.*Split again"):
        condenser()(data)
