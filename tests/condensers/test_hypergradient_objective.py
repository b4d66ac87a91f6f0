import torch

from graphcond.condensers import Weights
from graphcond.condensers.hcdc.objective import Matching, Students, soft_accuracy
from graphcond.hypergrad import Sensitivity
from graphcond.nn import PolynomialFilterNet
from graphcond.nn.synthetic import SyntheticGraph
from graphcond.spaces import PolynomialFilters
from graphcond.training.filter_answers import Target


def test_the_objective_is_differentiable_in_the_validation_graph_by_finite_differences():
    net, lam = (
        PolynomialFilterNet(4, hidden=3, num_classes=2),
        PolynomialFilters().sample(6, seed=3).double(),
    )
    params = net.init(6, seed=0, dtype=torch.float64)
    g = torch.Generator().manual_seed(2)
    x = torch.randn(5, 4, generator=g, dtype=torch.float64)
    graph = SyntheticGraph.start(x, torch.tensor([0, 0, 1, 1, 1]), "learned")
    columns = tuple(
        {
            name: torch.randn(value.shape, generator=g, dtype=torch.float64)
            for name, value in params.items()
        }
        for _ in range(3)
    )
    target = Target(
        lam,
        torch.rand(6, generator=g).double() + 0.5,
        torch.rand(6, generator=g).double(),
        torch.randn(6, 3, generator=g).double(),
    )
    matching = Matching(net, (Students(lam, params, Sensitivity(columns, ())),), target, Weights())
    rows = torch.arange(6)
    value, parts_found = matching.distance(graph, rows, 0.0)
    assert set(parts_found) == {"value", "accuracy", "hypergradient"}
    grads = torch.autograd.grad(value, list(graph.params.values()))
    for leaf, grad in zip(graph.params.values(), grads):
        plan = torch.randn(leaf.shape, generator=g, dtype=torch.float64)
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                leaf += sign * 1e-6 * plan
            ends.append(float(matching.distance(graph, rows, 0.0)[0].detach()))
            with torch.no_grad():
                leaf -= sign * 1e-6 * plan
        torch.testing.assert_close(
            float((grad * plan).sum()), (ends[0] - ends[1]) / 2e-6, rtol=1e-4, atol=1e-7
        )


def test_soft_accuracy_is_the_accuracy_of_wide_margins():
    logits = torch.tensor([[[9.0, 0.0], [0.0, 9.0], [9.0, 0.0]]])
    torch.testing.assert_close(
        soft_accuracy(logits, torch.tensor([0, 1, 1])), torch.tensor([2 / 3]), atol=1e-4, rtol=0
    )
