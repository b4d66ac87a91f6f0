import itertools
from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Data

from graphcond.condensers import (
    DosCond,
    GCond,
    HypergradientMatching,
    Partition,
    Pool,
    RandomNodes,
    Trajectories,
    Weights,
)
from graphcond.condensers.hcdc import condenser as module
from graphcond.condensers.hcdc import pool as pool_module
from graphcond.condensers.hcdc import teachers as teachers_module
from graphcond.condensers.hcdc import trajectories
from graphcond.condensers.hcdc.objective import (
    Matching,
    Students,
    feature_basis,
    log_loss,
    narrowed,
    train_students,
)
from graphcond.condensers.hcdc.teachers import (
    LinearTeacher,
    RandomFeaturesTeacher,
    SharedTeacher,
    TrainedTeacher,
)
from graphcond.data import Checkpoint, load, parts
from graphcond.errors import FileFormatError, InputError, NumericalError
from graphcond.hypergrad import BilevelProblem, Implicit
from graphcond.linalg import CG, Neumann
from graphcond.nn import PolynomialFilterNet, filter_operator
from graphcond.nn.adjacency import homophilous_start
from graphcond.nn.linear_filters import best_ridge
from graphcond.spaces import PolynomialFilters
from graphcond.testing.contracts import CondenserContract
from graphcond.training import FilterTraining, filter_graph, train_filters
from graphcond.training.filter_answers import Target, closed_form_target
from graphcond.training.filter_problem import FilterLearner, FilterProblem, network_gradients
from graphcond.training.filter_program import node_losses
from graphcond.training.graph_descent import Descent

TEACHERS = [LinearTeacher(), RandomFeaturesTeacher(), TrainedTeacher(), SharedTeacher()]
BY_NAME = {teacher.name: teacher for teacher in TEACHERS}
QUICK = FilterTraining(epochs=8)
SMALL = Pool(size=10, batch=6, steps=6, copies=1)


def planted(n=120, classes=3, features=6, seed=0):
    """Three homophilous communities with noisy class features."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    x = torch.nn.functional.one_hot(y, features).float() + 0.8 * torch.randn(
        n, features, generator=g
    )
    linked = torch.rand(n, n, generator=g) < torch.where(y[:, None] == y, 0.1, 0.01)
    linked = linked.triu(1)
    edge_index = (linked | linked.T).nonzero().T.contiguous()
    order = torch.randperm(n, generator=g)
    masks = {
        name: torch.zeros(n, dtype=torch.bool) for name in ("train_mask", "val_mask", "test_mask")
    }
    for name, part in zip(masks, order.split(n // 3)):
        masks[name][part] = True
    data = Data(x=x, edge_index=edge_index, y=y, **masks)
    data.card = {"name": "planted"}
    return data


def condenser(**changed):
    return HypergradientMatching(
        **{"num_nodes": 9, "num_val": 9, "over": SMALL, "recipe": QUICK, **changed}
    )


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


@pytest.mark.parametrize("teacher", TEACHERS, ids=list(BY_NAME))
def test_every_teacher_answers_with_its_own_hypergradients(teacher):
    small = condenser(teacher=teacher).condense(planted())
    assert small.report["teacher"] == teacher.name
    parts_seen = {entry["part"] for entry in small.history}
    assert {"training graph", "teacher", "students", "watch", "match"} <= parts_seen


def test_the_teachers_answers_are_those_of_their_models():
    def answers(teacher):
        run = module._Run(condenser(teacher=BY_NAME[teacher]), planted(), None)
        lam = run.how.space.sample(6, seed=5)
        form = run.pool_form(run.how.over)
        problem, columns = form._problem()
        students = form._students(problem, columns, lam, 0)
        return run, students, lam, form._target(students).slopes()

    for name in ("linear", "random-features"):
        run, _, lam, found = answers(name)
        model, ridge = run.how.teacher.fitted(run.lesson(), lam)
        torch.testing.assert_close(found, closed_form_target(model, lam, ridge).slopes())
        expected = {"linear": "RidgeFilters", "random-features": "RandomFilters"}
        assert type(model).__name__ == expected[name]
    run, students, lam, shared = answers("shared")
    torch.testing.assert_close(
        shared,
        network_gradients(run.full, students.params, lam, run.how.hypergradient),
    )
    run, _, lam, trained = answers("trained")
    params = train_filters(
        run.net, lam, run.full.graph, recipe=QUICK, seed=module.derive(0, "teacher")
    ).params
    torch.testing.assert_close(
        trained, network_gradients(run.full, params, lam, run.how.hypergradient)
    )
    assert not torch.allclose(shared, trained, atol=1e-3)


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


@pytest.mark.parametrize("teacher", TEACHERS[:2], ids=list(BY_NAME)[:2])
def test_teacher_hypergradients_are_slopes_of_its_losses(teacher):
    data, lam = planted(), PolynomialFilters().sample(4, seed=5)
    lesson = module._Run(condenser(teacher=teacher), data, None).lesson()
    model, ridge = teacher.fitted(lesson, lam)
    target = closed_form_target(model, lam, ridge)
    step = torch.zeros_like(lam)
    step[:, 1] = 1e-4
    ends = [
        model.scores((lam + sign * step).double(), torch.tensor([ridge], dtype=torch.float64)).loss[
            0
        ]
        for sign in (1, -1)
    ]
    torch.testing.assert_close(
        target.gradient[:, 1].double(), (ends[0] - ends[1]) / 2e-4, rtol=1e-3, atol=1e-5
    )


def test_gradients_of_networks_do_not_depend_on_the_chunks(monkeypatch):
    data, lam = planted(), PolynomialFilters().sample(5, seed=5)
    data.x, lam = data.x.double(), lam.double()
    net = PolynomialFilterNet(6, 4, 3)
    problem = FilterProblem(
        net,
        filter_graph(
            data, filter_operator(data.edge_index, 120, torch.ones(data.num_edges).double())
        ),
        5e-2,
    )
    params = net.init(5, seed=1, dtype=torch.float64)
    whole = network_gradients(problem, params, lam, Implicit(CG(max_steps=20)))
    monkeypatch.setattr("graphcond.training.nodes._CHUNK_NUMBERS", 1)
    torch.testing.assert_close(
        network_gradients(problem, params, lam, Implicit(CG(max_steps=20))),
        whole,
        rtol=1e-3,
        atol=1e-5,
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


def test_problem_takes_gauss_newton_or_the_hessian():
    problem = FilterProblem(
        PolynomialFilterNet(6, 4, 3), filter_graph(planted()), 5e-4, gauss_newton=False
    )
    assert problem.bilevel().curvature is None
    assert isinstance(problem.bilevel(), BilevelProblem)


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


def test_a_trained_teacher_answers_with_last_losses_and_its_own_gradients():
    run = run_of(teacher=TrainedTeacher(), recipe=FilterTraining(epochs=12, learning_rate=0.4))
    lam = run.how.space.sample(5, seed=5)
    target = run.how.teacher.target(run.lesson(), lam, {}, True)
    runs = train_filters(
        run.net, lam, run.full.graph, recipe=run.how.recipe, seed=module.derive(0, "teacher")
    )
    torch.testing.assert_close(target.loss, runs.loss)
    torch.testing.assert_close(target.accuracy, runs.accuracy)
    assert not torch.equal(runs.loss, runs.best_loss)
    shared = SharedTeacher().target(run.lesson(), lam, runs.params, True)
    torch.testing.assert_close(shared.loss, runs.loss, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shared.accuracy, runs.accuracy)


def test_a_trained_companion_answers_with_its_own_weights():
    run = run_of(teacher=TrainedTeacher())
    lam = run.how.space.sample(3, seed=5)
    companion = run.how.teacher.companion(run.lesson())
    companion.start(lam, 4)
    companion.step(lam)
    students = run.net.init(3, seed=8)
    own = companion._own().frozen()
    wanted = network_gradients(run.full, own, lam, run.how.hypergradient)
    torch.testing.assert_close(companion.slopes(students, lam), wanted)
    other = SharedTeacher().companion(run.lesson()).slopes(students, lam)
    assert not torch.allclose(wanted, other)


def test_a_closed_form_teacher_reads_training_labels_and_is_scored_on_validation_ones():
    lam = PolynomialFilters().sample(4, seed=5)

    def answers(data):
        lesson = module._Run(condenser(), data, None).lesson()
        return LinearTeacher().target(lesson, lam, {}, True)

    plain = answers(planted())
    assert plain.ridge == best_ridge(
        LinearTeacher().model(module._Run(condenser(), planted(), None).lesson()), lam
    )
    for part, moves in (("train", True), ("val", True), ("test", False)):
        data = planted()
        data.y = torch.where(data[f"{part}_mask"], (data.y + 1) % 3, data.y)
        assert torch.equal(answers(data).loss, plain.loss) != moves
    correct = plain.accuracy.double() * int(planted().val_mask.sum())
    assert torch.allclose(correct, correct.round(), atol=1e-4)


def test_parts_without_a_common_class_are_refused():
    data = planted()
    data.y = torch.where(data.val_mask, 2, data.y % 2)
    with pytest.raises(InputError, match="a class in common.*Split again"):
        condenser()(data)
