"""Planting small faults in the product, to see whether the tests notice them."""
