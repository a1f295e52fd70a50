"""The one error of the benchmarks."""


class BenchmarkFailed(Exception):
    """A benchmark could not be run to its end; the message says why."""
