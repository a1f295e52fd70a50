"""Installs the real clients and servers that tests and benchmarks run against; it unpacks programs and starts none of them."""
