"""HCDC against its own parts; run with ``python benchmarks/paper/hcdc/ablations.py``."""
