"""The OCI distribution interface: routes, one file for each noun, and the one table of its errors."""
