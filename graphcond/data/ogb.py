"""What an OGB benchmark script expects of a data set, for a condensed one; and clearing the caches
of graph layers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from graphcond.errors import UnknownNameError, require

Transform = Callable[[Data], Any]


class _Parts(dict[str, Tensor]):
    """Node ids of splits; one that has no nodes says so when it is asked for."""

    def __missing__(self, part: str) -> Tensor:
        raise UnknownNameError(
            f"There are no {part!r} nodes here; this set has {', '.join(self)}."
            " A condensed set trains: validate and test on the original data set."
        )


class NodeDataset:
    """A node set with the face of ``ogb.nodeproppred.PygNodePropPredDataset``.

    Args:
        data: Node data with ``train_mask`` and perhaps ``val_mask`` and ``test_mask``.
        name: The OGB name whose ``Evaluator`` is used.
        transform: Applied to every access, for example ``T.ToSparseTensor()``.

    Attributes:
        name: The OGB name.
        num_tasks: 1.
        task_type: ``"multiclass classification"``.
        eval_metric: ``"acc"``.
    """

    num_tasks = 1
    task_type = "multiclass classification"
    eval_metric = "acc"

    def __init__(
        self, data: Data, name: str = "ogbn-arxiv", transform: Transform | None = None
    ) -> None:
        labels = data.get("y")
        require(
            isinstance(labels, Tensor) and labels.dim() == 1,
            f"This needs labels `y` of shape [n], but found y = {type(labels).__name__!r}. One"
            " class per node.",
        )
        self.name = name
        self.transform = transform
        self._masks = {
            part: data.get(f"{key}_mask")
            for part, key in (("train", "train"), ("valid", "val"), ("test", "test"))
        }
        self._count = int(labels.numel())
        self._classes = int(data.get("card", {}).get("num_classes", 0) or int(labels.max()) + 1)
        self._data = copy.copy(data)
        self._data.y = labels.unsqueeze(1)
        for key in ("train_mask", "val_mask", "test_mask"):
            if key in self._data:
                del self._data[key]

    def __getitem__(self, index: int) -> Any:
        """Return the graph, ``y`` of shape [n, 1]; the only index is 0."""
        if index not in (0, -1):
            raise IndexError("A node set holds one graph: index 0.")
        data = copy.copy(self._data)
        return data if self.transform is None else self.transform(data)

    def __len__(self) -> int:
        """Return 1."""
        return 1

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self._classes

    @property
    def num_features(self) -> int:
        """Number of features."""
        return int(self._data.x.size(1))

    def get_idx_split(self) -> dict[str, Tensor]:
        """Return the node ids of ``"train"``, ``"valid"`` and ``"test"``, of those that have nodes.

        A condensed set has no test nodes, and an evaluator must not see an empty split, whose
        accuracy is no number: asking for it raises a sentence.
        """
        found = _Parts()
        for part, mask in self._masks.items():
            if mask is not None and bool(mask.any()):
                found[part] = torch.nonzero(mask).flatten()
        return found

    def __repr__(self) -> str:
        """Return the name and the size."""
        return f"NodeDataset({self.name!r}, num_nodes={self._count})"


def as_ogb(data: Data, name: str = "ogbn-arxiv", transform: Transform | None = None) -> NodeDataset:
    """Return a node set as an OGB script expects it, so that two of the script's lines change.

    The script's own lines that load the data set and test stay. One line is added after them, and
    the two calls in its loop change::

        small = as_ogb(read("small.safetensors"), transform=T.ToSparseTensor())
        ...
        loss = train(reset_caches(model), small[0], small.get_idx_split()["train"], optimizer)
        result = test(adapt(model, data.x, data.adj_t), data, split_idx, evaluator)

    :func:`reset_caches` is for ``GCNConv(cached=True)``, and :func:`adapt` for ``BatchNorm`` as
    well, whose statistics are those of the small graph after training on it.

    Args:
        data: Node data, full or condensed.
        name: The OGB name.
        transform: Applied to every access.

    Returns:
        The data set.

    Raises:
        InputError: If ``y`` is not of shape [n].

    Example:
        >>> from graphcond.data import load
        >>> dataset = as_ogb(load("karate"))
        >>> dataset[0].y.shape, dataset.num_classes, sorted(dataset.get_idx_split())
        (torch.Size([34, 1]), 2, ['test', 'train', 'valid'])
    """
    return NodeDataset(data, name, transform)


def reset_caches(model: nn.Module) -> nn.Module:
    """Forget what the layers of a model remember of the last graph, in place.

    ``GCNConv(cached=True)``, ``SGConv``, ``APPNP`` and their like keep the normalised graph (or the
    propagated features) of their first call, and would go on using the condensed graph on the full
    one.

    Args:
        model: Any model.

    Returns:
        The same model.
    """
    for layer in model.modules():
        for name, value in list(vars(layer).items()):
            if name.startswith("_cached") and value is not None:
                setattr(layer, name, None)
    return model


@torch.no_grad()
def adapt(model: nn.Module, x: Tensor, *graph: Any) -> nn.Module:
    """Make a model that was trained on one graph ready for another one, in place.

    Caches of graph layers are forgotten. Layers that normalise by the mean and variance of their
    inputs, such as ``BatchNorm1d``, take those of the new graph in the place of the running ones:
    layer by layer, each on inputs that the layers before it have already normalised. No labels are
    used, and no weight changes.

    Args:
        model: The model, called as ``model(x, *graph)``; it is left in evaluation mode.
        x: Features of the new graph [n, d].
        *graph: Its edges, as the model takes them.

    Returns:
        The same model.

    Source: Li et al., Revisiting Batch Normalization for Practical Domain Adaptation (2017).
    """
    reset_caches(model)
    model.eval()
    norms = [layer for layer in model.modules() if isinstance(layer, _Norm)]
    hooks = [layer.register_forward_pre_hook(_renew) for layer in norms]
    try:
        if norms:
            model(x, *graph)
    finally:
        for hook in hooks:
            hook.remove()
    return model


_Norm = nn.modules.batchnorm._BatchNorm
"""The base of ``BatchNorm1d`` and its like, for which torch has no public name."""


def _renew(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Give a layer the mean and the variance of what it is about to normalise."""
    values = inputs[0]
    if isinstance(layer, _Norm) and layer.running_mean is not None:
        others = [axis for axis in range(values.dim()) if axis != 1]
        layer.running_mean.copy_(values.mean(others))
        if layer.running_var is not None:
            layer.running_var.copy_(values.var(others, unbiased=False))
