"""Torch's modes, which a caller's script may have changed, set to those computed in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from graphcond.errors import NumericalError


@contextlib.contextmanager
def steady() -> Iterator[None]:
    """Compute as in a fresh process, whatever surrounds the call; the caller's state comes back.

    Inside, autocast is off, gradients can be taken, the default dtype is float32 and the default
    device the CPU. Autocast would train on stale casts of the weights, which changes results in
    silence. Data keep their own dtype and device.

    A matrix that cannot be solved or decomposed raises ``NumericalError``.

    Every public function that trains, judges, condenses or makes data is decorated with it.

    Example:
        >>> with torch.no_grad(), steady():
        ...     torch.is_grad_enabled()
        True
    """
    dtype = torch.get_default_dtype()
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_default_dtype, dtype)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        torch.set_default_dtype(torch.float32)
        try:
            yield
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
            raise NumericalError(
                f"A system of equations has no solution in these numbers ({error}). The features"
                " may all be 0 or huge: scale them to about 1, or raise the ridge."
            ) from error
