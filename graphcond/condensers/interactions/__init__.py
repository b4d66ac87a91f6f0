"""Condensers of user-item interactions that need no learned mask."""
