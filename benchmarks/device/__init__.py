"""What a GPU shows: tests on it, kernels against their rivals, condensations end to end;
``python -m benchmarks.device`` writes one JSON.
"""
