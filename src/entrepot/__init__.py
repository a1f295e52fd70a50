"""Entrepot: a complete container hub that anyone can run."""

__version__ = "0.2.0"
