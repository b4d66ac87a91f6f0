"""Tables and figures of the node half; run with ``python -m benchmarks.node.NAME``."""
