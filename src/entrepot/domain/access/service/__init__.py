"""Deciding who may do what, proving who somebody is, and the mode of the registry."""
