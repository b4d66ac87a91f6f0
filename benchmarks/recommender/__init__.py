"""Tables and figures of the recommender half: ``python -m benchmarks.recommender.NAME``."""
