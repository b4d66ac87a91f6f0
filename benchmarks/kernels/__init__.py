"""Times the sparse kernels against what people use today; ``python -m benchmarks.kernels`` writes
the JSON of this machine.
"""
