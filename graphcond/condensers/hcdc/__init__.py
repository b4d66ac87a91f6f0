"""HCDC: condensed training and validation graphs that rank candidates as the original does."""
