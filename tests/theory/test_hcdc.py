"""The paper's lemma, propositions and theorem on problems small enough to be exact (appendices D
and F).

Model: f(A, X) = C X W with least squares, so that ∇_W L = 2 (G W - b) with G = XᵀCᵀCX and b =
XᵀCᵀy. Three statements are tested in the form in which they are true; what differs from the print
is said at each test.
"""

from __future__ import annotations

import torch

from graphcond.hypergrad import BilevelProblem, Implicit, Unrolled, cosine_distance
from graphcond.linalg import CG, Neumann
from graphcond.nn.filters import PolynomialFilterNet, dense_operator
from graphcond.training import FilterGraph, train_filters

D = torch.float64


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=D)


def moments(convolution, x, y):
    design = convolution @ x
    return design.T @ design, design.T @ y


def gradient(weight, gram, target):
    return 2 * (gram @ weight - target)


def graph_filter(n, seed):
    adjacency = (
        (torch.rand(n, n, generator=torch.Generator().manual_seed(seed)) < 0.4).to(D).triu(1)
    )
    adjacency = adjacency + adjacency.T + torch.eye(n, dtype=D)
    scale = adjacency.sum(1).rsqrt()
    return scale[:, None] * adjacency * scale


def condensed_features(gram, nodes, seed=3):
    """Return X' with X'ᵀX' = gram: U S Vᵀ with U semi-unitary, the construction of propositions 3
    and 4.
    """
    values, vectors = torch.linalg.eigh(gram)
    unitary, _ = torch.linalg.qr(rand(nodes, len(gram), seed=seed))
    return unitary @ torch.diag(values.sqrt()) @ vectors.T


def test_lemma_5_matching_on_a_spanning_trajectory_makes_the_condensed_optimum_optimal():
    """The trajectory must span affinely, d + 1 points; d points that span linearly, as printed, are
    not enough.
    """
    d = 4
    gram, target = moments(graph_filter(20, 0), rand(20, d), rand(20, seed=1))
    best = torch.linalg.solve(gram, target)
    points = rand(d, d + 1, seed=2)
    seen = gradient(points, gram, target[:, None])
    # What a condensed set with these gradients must have as (G', b'): the only solution of a square
    # linear system.
    system = torch.cat([points, -torch.ones(1, d + 1, dtype=D)])
    found = seen @ torch.linalg.inv(system) / 2
    torch.testing.assert_close(torch.linalg.solve(found[:, :d], found[:, d]), best)
    shifted_gram, direction = gram.clone(), rand(d, seed=4)
    plane = torch.linalg.solve(points[:, :d].T, torch.ones(d, dtype=D))
    shifted_gram += torch.outer(direction, plane)
    agrees = gradient(points[:, :d], shifted_gram, (target + direction)[:, None])
    torch.testing.assert_close(agrees, seen[:, :d])
    assert float((torch.linalg.solve(shifted_gram, target + direction) - best).norm()) > 1e-2


def shift(n, k):
    return torch.roll(torch.eye(n, dtype=D), k, 0)


def cnn_moments(x, y, reach):
    """Everything the gradients of a cyclic 1-D convolution of kernel 2·reach + 1 depend on, per
    position.
    """
    lags = range(-2 * reach, 2 * reach + 1)
    auto = torch.stack([x.T @ shift(len(y), k) @ x for k in lags])
    cross = torch.stack([x.T @ shift(len(y), k) @ y for k in range(-reach, reach + 1)])
    return torch.cat([auto.flatten(), cross.flatten()]) / len(y)


def cnn_gradients(x, y, alpha, weight):
    reach = len(alpha) // 2
    alpha, weight = alpha.clone().requires_grad_(), weight.clone().requires_grad_()
    mixed = sum(a * shift(len(y), k) for a, k in zip(alpha, range(-reach, reach + 1)))
    return torch.cat(torch.autograd.grad(((mixed @ x @ weight - y) ** 2).mean(), [alpha, weight]))


def test_proposition_2_a_large_kernel_serves_every_smaller_one():
    x, y = rand(16, 2), rand(16, seed=1)
    small_x, small_y = rand(10, 2, seed=5).requires_grad_(), rand(10, seed=6).requires_grad_()
    search = torch.optim.LBFGS(
        [small_x, small_y],
        max_iter=2000,
        tolerance_grad=1e-14,
        tolerance_change=1e-18,
        line_search_fn="strong_wolfe",
    )
    wanted = cnn_moments(x, y, 1)

    def closure():
        search.zero_grad()
        miss = ((cnn_moments(small_x, small_y, 1) - wanted) ** 2).sum()
        miss.backward()
        return miss

    search.step(closure)
    small_x, small_y = small_x.detach(), small_y.detach()
    for seed, reach in enumerate([1, 1, 0, 0]):
        alpha, weight = rand(2 * reach + 1, seed=10 + seed), rand(2, seed=20 + seed)
        matched = cnn_gradients(small_x, small_y, alpha, weight)
        torch.testing.assert_close(
            matched, cnn_gradients(x, y, alpha, weight), atol=1e-5, rtol=1e-4
        )
    alpha, weight = rand(5, seed=30), rand(2, seed=31)
    assert (
        float(
            (
                cnn_gradients(small_x, small_y, alpha, weight) - cnn_gradients(x, y, alpha, weight)
            ).norm()
        )
        > 1e-2
    )


def test_proposition_3_any_full_rank_features_have_an_adjacency_that_matches():
    """The construction gives the convolution matrix C(A'); it is not shown to be non-negative, in
    print or here.
    """
    d, nodes = 3, 6
    gram, target = moments(graph_filter(25, 1), rand(25, d), rand(25, seed=1))
    features = rand(nodes, d, seed=2)
    convolution = condensed_features(gram, nodes) @ torch.linalg.pinv(features)
    labels = torch.linalg.pinv((convolution @ features).T) @ target
    found = moments(convolution, features, labels)
    for seed in range(4):
        weight = rand(d, seed=40 + seed)
        torch.testing.assert_close(gradient(weight, *found), gradient(weight, gram, target))


def test_proposition_4_another_filter_fails_on_the_condensed_graph():
    """‖(Q - I) v‖ / ‖v‖ reaches max(σ_max - 1, 1 - σ_min) for the worst labels, not for all of them
    as printed.
    """
    d = 3
    x, own, other = (
        rand(30, d),
        graph_filter(30, 2),
        torch.linalg.matrix_power(graph_filter(30, 2), 3),
    )
    gram, _ = moments(own, x, rand(30))
    gram_other, _ = moments(other, x, rand(30))
    q = gram @ torch.linalg.inv(gram_other)
    sigma = torch.linalg.svdvals(q)
    bound = max(float(sigma[0]) - 1, 1 - float(sigma[-1]))
    assert bound > 0.5
    features = condensed_features(gram, 6)
    _, _, right = torch.linalg.svd(q - torch.eye(d, dtype=D))
    labels = torch.linalg.pinv(features.T) @ right[0]
    # A' = I: the condensed graph's solution is the same for every filter, the original's is not.
    on_condensed = torch.linalg.solve(features.T @ features, features.T @ labels)
    on_original = torch.linalg.solve(gram_other, right[0])
    error = (gram @ (on_condensed - on_original)).norm() / (gram @ on_condensed).norm()
    assert float(error) >= bound - 1e-9


def ridge_problem(x, y, x_val, y_val, gain=1.0, offset=0.0):
    def inner(params, lam):
        return (((lam * params["w"]) @ x.T - y) ** 2).mean(-1) + 0.2 * (params["w"] ** 2).sum(-1)

    def outer(params, lam):
        return gain * (((lam * params["w"]) @ x_val.T - y_val) ** 2).mean(-1) + offset

    def optimum(lam):
        design = x * lam.unsqueeze(-2)
        gram = design.mT @ design / len(y) + 0.2 * torch.eye(lam.shape[-1], dtype=D)
        return {"w": torch.linalg.solve(gram, (design.mT @ y / len(y)).unsqueeze(-1)).squeeze(-1)}

    return BilevelProblem(inner, outer), optimum


def test_theorem_1_aligned_hypergradients_preserve_the_order():
    """Integrated along any path, hypergradients give the loss difference; where all have cosine 1,
    the order of the ends agrees.
    """
    x, y, x_val, y_val = rand(15, 2), rand(15, seed=1), rand(9, 2, seed=2), rand(9, seed=3)
    solver = Implicit(CG(max_steps=30, tolerance=1e-13))
    original, optimum = ridge_problem(x, y, x_val, y_val)
    # A smaller set with the same moments: its training optimum is the original's, its validation
    # loss an increasing function of it.
    small, labels = condensed_features(x.T @ x, 4), None
    labels = torch.linalg.pinv(small.T) @ (x.T @ y)
    small, labels = small * (4 / 15) ** 0.5, labels * (4 / 15) ** 0.5
    condensed, small_optimum = ridge_problem(small, labels, x_val, y_val, gain=3.0, offset=-0.5)
    ends = rand(2, 2, seed=4)
    share = torch.linspace(0, 1, 401, dtype=D)[:, None]
    path = ends[0] + share * (ends[1] - ends[0])
    on_original = solver(original, optimum(path), path)
    on_condensed = solver(condensed, small_optimum(path), path)
    assert float(cosine_distance(on_original, on_condensed).detach().max()) < 1e-6
    rise = [
        problem.outer_loss(found(ends), ends).diff()
        for problem, found in ((original, optimum), (condensed, small_optimum))
    ]
    along = torch.trapezoid((on_original @ (ends[1] - ends[0])), share[:, 0])
    torch.testing.assert_close(along[None], rise[0], rtol=1e-3, atol=1e-6)
    assert float(rise[0] * rise[1]) > 0


def test_theorem_1_where_hypergradients_disagree_some_pair_is_ranked_wrongly():
    x, y = rand(15, 2), rand(15, seed=1)
    one, optimum = ridge_problem(x, y, rand(9, 2, seed=2), rand(9, seed=3))
    two, _ = ridge_problem(x, y, rand(9, 2, seed=7), rand(9, seed=8))
    solver, lam = Implicit(CG(max_steps=30, tolerance=1e-13)), rand(1, 2, seed=4)
    first, second = (solver(problem, optimum(lam), lam) for problem in (one, two))
    assert float(cosine_distance(first, second).detach()) > 1e-3
    step = first / first.norm() - second / second.norm()
    moved = lam + 1e-4 * step
    rises = [
        (problem.outer_loss(optimum(moved), moved) - problem.outer_loss(optimum(lam), lam))
        for problem in (one, two)
    ]
    assert float(rises[0] * rises[1]) < 0


def test_i_neumann_terms_are_i_unrolled_steps_from_the_optimum():
    problem, optimum = ridge_problem(
        rand(15, 2), rand(15, seed=1), rand(9, 2, seed=2), rand(9, seed=3)
    )
    lam = rand(5, 2, seed=4)
    for terms in (1, 3, 12):
        series = Implicit(Neumann(terms=terms, step=0.05, tolerance=0))(problem, optimum(lam), lam)
        torch.testing.assert_close(
            series, Unrolled(steps=terms, learning_rate=0.05)(problem, optimum(lam), lam)
        )


def test_without_edges_all_filters_collapse_to_one_number():
    """A' = I: C_λ = (Σ_k λ_k T_k(0)) I, here (λ0 - λ2) I, so λ1 cannot be ranked; any edge restores
    it.
    """
    net = PolynomialFilterNet(4, hidden=5, num_classes=2)
    x, y, nodes = rand(6, 4).float(), torch.tensor([0, 1] * 3), torch.arange(6)
    lam = torch.tensor([[0.9, -1.0, 0.2], [0.9, 0.7, 0.2], [0.5, 0.0, -0.2]])
    ring = torch.roll(torch.eye(6), 1, 0) + torch.roll(torch.eye(6), -1, 0)
    losses = {}
    for name, adjacency in (("none", torch.zeros(6, 6)), ("ring", ring)):
        params = {
            key: value[:1].expand(3, *value.shape[1:]).clone()
            for key, value in net.init(1, seed=0).items()
        }
        operator = dense_operator(adjacency)
        logits = net(params, lam, operator, x)
        losses[name] = (
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.repeat(3), reduction="none")
            .view(3, 6)
            .mean(1)
        )
        runs = train_filters(net, lam, FilterGraph(operator, x, y, nodes, nodes), seed=0)
        assert bool(torch.isfinite(runs.loss).all())
    torch.testing.assert_close(losses["none"], losses["none"][:1].expand(3))
    assert float((losses["ring"] - losses["ring"][0]).abs()[1:].min()) > 1e-3
