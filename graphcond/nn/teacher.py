"""A teacher without training: ridge regression on propagated features, in closed form, chosen on
validation nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch_geometric.data import Data

from graphcond.errors import InputError, require
from graphcond.nn.filters import filter_features
from graphcond.seeding import generator
from graphcond.sparse import CSR, gcn_norm, spmm


def propagation(data: Data) -> CSR:
    """Return Â = D^-1/2 (A + I) D^-1/2 of a graph, ``edge_weight`` respected."""
    return gcn_norm(
        CSR.from_edge_index(data.edge_index, int(data.num_nodes), data.get("edge_weight"))
    )


def propagate(operator: CSR, x: Tensor, hops: int) -> Tensor:
    """Return Â^hops x [n, d]."""
    for _ in range(hops):
        x = spmm(operator, x)
    return x


def smooth(operator: CSR, scores: Tensor, restart: float, steps: int = 10) -> Tensor:
    """Return scores after personalised PageRank, Z ← (1 - restart) Â Z + restart S; restart 0
    leaves them as they are.

    Args:
        operator: Â [n, n].
        scores: S [n, C].
        restart: In [0, 1].
        steps: Power iterations.

    Returns:
        Smoothed scores [n, C].

    Source: APPNP (Gasteiger et al., ICLR 2019), equation 4.
    """
    if restart == 0:
        return scores
    out = scores
    for _ in range(steps):
        out = spmm(operator, out, alpha=1 - restart, beta=restart, z=scores)
    return out


def sketch(x: Tensor, width: int = 512, entries: int = 64_000_000, seed: int = 0) -> Tensor:
    """Return a Gaussian projection of features where [n, d] would pass ``entries`` numbers, else
    the features themselves.

    Args:
        x: Features [n, d].
        width: Dimensions e of the projection, >= 1.
        entries: Numbers up to which features stay as they are, >= 0.
        seed: Of the projection.

    Returns:
        ``x`` or [n, e]; inner products are kept within about e^-1/2 of the norms.
    """
    if x.numel() <= entries or x.shape[1] <= width:
        return x
    # Drawn on the CPU, so that every device projects alike.
    random = torch.randn(x.shape[1], width, generator=generator(seed, "sketch"), dtype=x.dtype).to(
        x.device
    )
    features, scaled = filter_features(x), random / width**0.5
    return spmm(features, scaled) if isinstance(features, CSR) else features @ scaled


# Above it only the three best settings are smoothed: each restart is ten products with [n, C].
_MANY_SCORES = 5_000_000


@dataclass(frozen=True)
class Taught:
    """What a teacher says about all nodes.

    Attributes:
        scores: Class scores [n, C]; training nodes hold their true class, classes without training
            nodes -inf.
        hops: Propagation steps chosen.
        normalize: Whether rows were scaled to unit length.
        ridge: Ridge chosen, relative to the mean squared norm of the training rows.
        restart: PageRank restart chosen; 0 is no smoothing.
        accuracy: On the validation nodes.
    """

    scores: Tensor
    hops: int
    normalize: bool
    ridge: float
    restart: float
    accuracy: float

    @property
    def labels(self) -> Tensor:
        """The class of highest score [n]."""
        return self.scores.argmax(1)

    @property
    def margin(self) -> Tensor:
        """Best score minus second best [n], at least 1e-3; 1 on training nodes."""
        if torch.isfinite(self.scores[0]).sum() < 2:
            return torch.ones_like(self.scores[:, 0])
        best = self.scores.topk(2, dim=1).values
        # Never 0: an undecided node still belongs to its class, if by little.
        return (best[:, 0] - best[:, 1]).clamp(1e-3, 1)


@dataclass(frozen=True)
class RidgeTeacher:
    """Ridge regression from Â^k X to the classes of the training nodes, smoothed over the graph, in
    closed form.

    W = argmin ||Z_train W - Y||² + ridge · s ||W||², Z = Â^k X (rows scaled to unit length or not),
    s the mean squared norm of the centred rows of Z_train; scores S = Z W, then personalised
    PageRank. k, scaling, ridge and restart are those of best accuracy on the validation nodes:
    their labels choose one of ``len(hops) · 2 · len(ridges) · len(restarts)`` settings and enter
    nothing else. Above 5 million scores [n, C] only the three best unsmoothed settings are
    smoothed.

    Args:
        hops: Propagation steps k to try.
        ridges: Relative ridges to try, > 0.
        restarts: Restarts to try; 0 is no smoothing.

    Example:
        >>> from graphcond.data import load
        >>> RidgeTeacher()(load("karate")).labels.shape
        torch.Size([34])
    """

    hops: tuple[int, ...] = (1, 2, 3, 4)
    ridges: tuple[float, ...] = (0.1, 1.0, 10.0)
    restarts: tuple[float, ...] = (0.0, 0.1, 0.2)

    def __call__(self, data: Data, train: Tensor | None = None) -> Taught:
        """Return the teacher of a graph.

        Args:
            data: Graph with ``x``, ``y``, ``train_mask`` and ``val_mask``.
            train: Nodes [n] bool to learn from; None means ``data.train_mask``.

        Returns:
            Scores for all nodes, and the setting chosen.
        """
        train = data.train_mask if train is None else train
        require(
            bool(train.any()),
            f"This needs at least one training node, but found train = {int(train.sum())!r}. Give"
            " the graph a train_mask.",
        )
        operator, y = propagation(data), data.y
        target = F.one_hot(y[train], int(y.max()) + 1).to(data.x)
        absent = target.sum(0) == 0
        # Classes without a training node cannot be right: their scores are left out of every
        # choice.
        plain = [
            _judged(data, taught, absent)
            for taught in self._settings(data, operator, train, target)
        ]
        if not plain or not self.restarts:
            raise InputError(
                "RidgeTeacher needs a value each of hops, ridges and restarts. Its defaults are"
                " usual."
            )
        if plain[0].scores.numel() > _MANY_SCORES:
            plain = sorted(plain, key=lambda taught: -taught.accuracy)[:3]
        best = replace(plain[0], accuracy=-1.0)
        for taught in plain:
            for restart in self.restarts:
                scores = smooth(operator, taught.scores, restart)
                now = _judged(data, replace(taught, scores=scores, restart=restart), absent)
                best = now if now.accuracy > best.accuracy else best
        known = target.masked_fill(absent, -torch.inf)
        return replace(
            best, scores=best.scores.masked_fill(absent, -torch.inf).index_put((train,), known)
        )

    def _settings(
        self, data: Data, operator: CSR, train: Tensor, target: Tensor
    ) -> Iterator[Taught]:
        """Yield unsmoothed scores of every setting."""
        x, done = sketch(data.x), 0
        for hop in sorted(self.hops):
            x, done = propagate(operator, x, hop - done), hop
            for normalize in (False, True):
                z = F.normalize(x, dim=1) if normalize else x
                for ridge, scores in zip(self.ridges, _ridge(z, train, target, self.ridges)):
                    yield Taught(scores, hop, normalize, ridge, 0.0, 0.0)


def _judged(data: Data, taught: Taught, absent: Tensor) -> Taught:
    right = taught.scores.masked_fill(absent, -torch.inf).argmax(1) == data.y
    accuracy = float(right[data.val_mask].double().mean()) if data.val_mask.any() else 0.0
    return replace(taught, accuracy=accuracy)


def _ridge(z: Tensor, train: Tensor, target: Tensor, ridges: tuple[float, ...]) -> list[Tensor]:
    """Return scores [n, C] for each ridge, by the smaller of the two normal equations."""
    rows, mean, prior = z[train], z[train].mean(0), target.mean(0)
    rows, centred = rows - mean, target - prior
    dual = rows.shape[0] <= rows.shape[1]
    gram = rows @ rows.T if dual else rows.T @ rows
    # Relative to the rows' size, so that the ridges need not know the features' scale. The guard is
    # for rows that are all the same.
    level = rows.square().sum(1).mean().clamp(min=1e-12)
    values, vectors = torch.linalg.eigh(gram.double())
    right = vectors.T @ (centred if dual else rows.T @ centred).double()
    weights = []
    for ridge in ridges:
        solution = (vectors @ (right / (values.clamp(min=0) + ridge * level)[:, None])).to(z)
        weights.append(rows.T @ solution if dual else solution)
    stacked = torch.cat(weights, 1)
    return list(
        (z @ stacked - (mean @ stacked) + prior.repeat(len(ridges))).split(target.shape[1], 1)
    )
