"""A full-text index in a folder: one process writes it, any number read it. It knows no feature, only words and figures."""
