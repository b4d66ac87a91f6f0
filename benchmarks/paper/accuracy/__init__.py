"""Accuracy of GCNs trained on condensed graphs."""
