"""Outgoing HTTP: the only place that speaks to others."""
