"""Faults on purpose: malformed files, awkward data, kills; ``python -m benchmarks.faults``."""
