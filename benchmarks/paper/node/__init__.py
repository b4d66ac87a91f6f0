"""Tables and figures of the node-classification half; run with ``python -m
benchmarks.paper.node.<name>``.
"""
