"""The composition root: the only package that knows every feature, and joins them into one application."""
