"""Estimators of the gradient of an expected loss in the mask's probabilities, one a file."""
