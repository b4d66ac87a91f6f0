"""What the teachers of hypergradient matching answer, and the networks behind them."""

import pytest
import torch

from graphcond.condensers.hcdc import condenser as module
from graphcond.condensers.hcdc.teachers import LinearTeacher, SharedTeacher, TrainedTeacher
from graphcond.hypergrad import BilevelProblem, Implicit
from graphcond.linalg import CG
from graphcond.nn import PolynomialFilterNet, filter_operator
from graphcond.nn.linear_filters import best_ridge
from graphcond.spaces import PolynomialFilters
from graphcond.training import FilterTraining, filter_graph, train_filters
from graphcond.training.filter_answers import closed_form_target
from graphcond.training.filter_problem import FilterProblem, network_gradients
from tests.condensers.matching import BY_NAME, QUICK, TEACHERS, condenser, planted


@pytest.mark.parametrize("teacher", TEACHERS, ids=list(BY_NAME))
def test_every_teacher_answers_with_its_own_hypergradients(teacher):
    small = condenser(teacher=teacher).condense(planted())
    assert small.report["teacher"] == teacher.name
    parts_seen = {entry["part"] for entry in small.history}
    assert {"training graph", "teacher", "students", "watch", "match"} <= parts_seen


def test_the_teachers_answers_are_those_of_their_models():
    def answers(teacher):
        how = condenser(teacher=BY_NAME[teacher], hypergradient=Implicit(CG(max_steps=1)))
        run = module._Run(how, planted(), None)
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


@pytest.mark.parametrize("teacher", TEACHERS[:2], ids=list(BY_NAME)[:2])
def test_teacher_hypergradients_are_slopes_of_its_losses(teacher):
    data, lam = planted(), PolynomialFilters().sample(4, seed=5)
    lesson = module._Run(condenser(teacher=teacher), data, None).lesson()
    model, ridge = teacher.fitted(lesson, lam)
    target = closed_form_target(model, lam, ridge)
    found = model.scores(lam.double(), torch.tensor([ridge], dtype=torch.float64))
    for name in ("loss", "accuracy"):
        torch.testing.assert_close(getattr(target, name).double(), getattr(found, name)[0].detach())
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


def test_problem_takes_gauss_newton_or_the_hessian():
    problem = FilterProblem(
        PolynomialFilterNet(6, 4, 3), filter_graph(planted()), 5e-4, gauss_newton=False
    )
    assert problem.bilevel().curvature is None
    assert isinstance(problem.bilevel(), BilevelProblem)


def run_of(**changed):
    return module._Run(condenser(**changed), planted(), None)


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
