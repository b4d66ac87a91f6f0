"""The k best columns of U Iᵀ for every row, block by block."""

from __future__ import annotations

import torch
from torch import Tensor

from graphcond.errors import require, require_at_least, require_range
from graphcond.sparse.csr import CSR


@torch.no_grad()
def topk(
    users: Tensor, items: Tensor, k: int, exclude: CSR | None = None, block: int = 512
) -> tuple[Tensor, Tensor]:
    r"""Return the ``k`` largest entries of each row of :math:`U I^\top`, never built in full.

    Args:
        users: U ``[m, d]``.
        items: I ``[n, d]``.
        k: How many, in [1, n].
        exclude: ``[m, n]``; its entries cannot be picked (the training interactions).
        block: Rows a block; memory is block * n numbers.

    Returns:
        Scores ``[m, k]``, falling, and column ids ``[m, k]`` int64. Where fewer than k columns are
        left, the tail has score -inf and id -1.

    Raises:
        InputError: If shapes do not match or ``k`` is out of range.

    Example:
        >>> topk(torch.tensor([[1.0]]), torch.tensor([[1.0], [3.0], [2.0]]), 2)[1]
        tensor([[1, 2]])
    """
    _check(users, items, k, exclude, block)
    num_users = users.size(0)
    scores = users.new_empty(num_users, k)
    indices = torch.empty(num_users, k, dtype=torch.int64, device=users.device)
    # One buffer for all blocks: so much memory is asked for once.
    buffer = users.new_empty(min(block, num_users), items.size(0))
    for start in range(0, num_users, block):
        stop = min(start + block, num_users)
        part = torch.mm(users[start:stop], items.t(), out=buffer[: stop - start])
        if exclude is not None:
            low = int(exclude.indptr[start])
            high = int(exclude.indptr[stop])
            part[
                exclude.row[low:high].long() - start, exclude.indices[low:high].long()
            ] = -torch.inf
        # What is left out has score -inf, and so has id -1 where nothing else is left.
        best, which = part.topk(k, dim=1)
        scores[start:stop] = best
        indices[start:stop] = which.masked_fill_(best == -torch.inf, -1)
    return scores, indices


def _check(users: Tensor, items: Tensor, k: int, exclude: CSR | None, block: int) -> None:
    require(
        users.dim() == items.dim() == 2 and users.size(1) == items.size(1),
        "`users` must have the shape [m, d] and `items` [n, d], but found users ="
        f" {tuple(users.shape)!r}, items = {tuple(items.shape)!r}. Both need one width.",
    )
    require_range(1, items.size(0), "It is how many columns to return.", k=k)
    require_at_least(1, "It is the number of rows scored at once.", block=block)
    if exclude is not None:
        require(
            exclude.size == (users.size(0), items.size(0)),
            f"`exclude` must be of size [m, n], but it is {exclude.size!r}. Give the training"
            " interactions, users by items.",
        )
