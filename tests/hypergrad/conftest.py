import pytest
import torch

from graphcond.hypergrad import BilevelProblem
from graphcond.linalg import Exact, Hessian, vectors


class Ridge:
    """min_w |X diag(lam) w - y|² + ridge |w|², judged on another design that λ scales as well:
    everything has a formula.
    """

    def __init__(self, batch=3, size=3, seed=0):
        g = torch.Generator().manual_seed(seed)
        rand = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
        self.x, self.y = rand(12, size), rand(12)
        self.x_val, self.y_val = rand(8, size).requires_grad_(), rand(8)
        self.lam = 0.5 + torch.rand(batch, size, generator=g, dtype=torch.float64)
        self.ridge = 0.3

    def inner(self, params, lam):
        left = (lam * params["w"]) @ self.x.T - self.y
        return (left**2).mean(-1) + self.ridge * (params["w"] ** 2).sum(-1)

    def outer(self, params, lam):
        return (((lam * params["w"]) @ self.x_val.T - self.y_val) ** 2).mean(-1) + 0.1 * lam.sum(-1)

    def optimum(self, lam):
        design = self.x * lam.unsqueeze(-2)
        gram = design.mT @ design / len(self.y) + self.ridge * torch.eye(
            lam.shape[-1], dtype=lam.dtype
        )
        return {
            "w": (
                torch.linalg.solve(gram, (design.mT @ self.y / len(self.y)).unsqueeze(-1)).squeeze(
                    -1
                )
            )
        }

    @property
    def problem(self):
        return BilevelProblem(self.inner, self.outer)


@pytest.fixture
def ridge():
    return Ridge()


class Softplus:
    """A two-layer network with a smooth activation: no formula, an inner optimum by Newton's
    method.
    """

    def __init__(self, batch=2, seed=1):
        g = torch.Generator().manual_seed(seed)
        rand = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
        self.bases, self.y = rand(2, 9, 3), torch.randint(2, (9,), generator=g)
        self.bases_val, self.y_val = (
            rand(2, 6, 3).requires_grad_(),
            torch.randint(2, (6,), generator=g),
        )
        self.lam = rand(batch, 2)
        self.start = {"a": rand(batch, 3, 2) * 0.3, "b": rand(batch, 2, 2) * 0.3}

    def logits(self, params, lam, bases):
        x = torch.einsum("bk,knd->bnd", lam, bases)
        return torch.nn.functional.softplus(x @ params["a"]) @ params["b"]

    def loss(self, params, lam, bases, y):
        return -self.logits(params, lam, bases).log_softmax(-1)[:, torch.arange(len(y)), y].mean(-1)

    def inner(self, params, lam):
        return self.loss(params, lam, self.bases, self.y) + 0.1 * sum(
            (p**2).flatten(1).sum(1) for p in params.values()
        )

    def outer(self, params, lam):
        return self.loss(params, lam, self.bases_val, self.y_val)

    def optimum(self, lam, start):
        params = {name: p.clone() for name, p in start.items()}
        for step in range(212):
            curvature = Hessian(lambda p: self.inner(p, lam), params)
            slope = {name: g.detach() for name, g in zip(params, curvature.grad)}
            plan, rate = (Exact()(curvature, slope).value, -1.0) if step >= 200 else (slope, -0.5)
            params = vectors.add(params, plan, rate)
        assert float(vectors.norm(slope)) < 1e-10
        return params

    @property
    def problem(self):
        return BilevelProblem(self.inner, self.outer)


@pytest.fixture
def softplus():
    return Softplus()
