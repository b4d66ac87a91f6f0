"""The training loop, early stopping and negative sampling."""

from graphcond.training.fit import Fitted, Program, fit
from graphcond.training.stopping import EarlyStopping

__all__ = ["EarlyStopping", "Fitted", "Program", "fit"]
