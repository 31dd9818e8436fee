"""Typed calls to an API server over a tiny Transport protocol that moves bytes."""
