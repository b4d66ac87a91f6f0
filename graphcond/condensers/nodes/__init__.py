"""Condensers of node-classification graphs."""
