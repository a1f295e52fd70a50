"""Benchmarks: Entrepot beside docker-registry, nginx and zot in one run, each figure with the bar it has to meet.

`python -m bench` runs them; what is measured lies in `measures/`, the bars in `bars.py`, the servers' settings in `config/`.
"""

import sys
from pathlib import Path

# The throw-away PostgreSQL is the tests' own: tests/support/postgres.py.
sys.path.append(str(Path(__file__).parents[1] / "tests"))
