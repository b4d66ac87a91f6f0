"""Matrix-free linear operators on dictionaries of tensors, and the solvers for them."""

from graphcond.linalg.cg import CG
from graphcond.linalg.exact import Exact
from graphcond.linalg.neumann import Neumann, largest_eigenvalue
from graphcond.linalg.operators import Damped, Dense, GaussNewton, Hessian, LinearOperator, Scaled
from graphcond.linalg.solver import LinearSolver, Solution

__all__ = [
    "CG",
    "Damped",
    "Dense",
    "Exact",
    "GaussNewton",
    "Hessian",
    "LinearOperator",
    "LinearSolver",
    "Neumann",
    "Scaled",
    "Solution",
    "largest_eigenvalue",
]
