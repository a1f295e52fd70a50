"""Secrets that must be read back: the one envelope that they lie in, and the key that opens it."""
