"""`make stop`: ends the Entrepot that `make run` started on a data folder, from another terminal.

Usage: python -m tools.run.stop --data DIR
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from tools.run import record

PATIENCE_S = 90  # Transfers that run may finish first; the product itself ends them after a minute.


def stop(data: Path) -> int:
    """Ask the Entrepot of this data folder to end and wait until it has; nothing to stop is no failure."""
    running = record.read(data)
    if running is None:
        print(f"Nothing to stop: no Entrepot that `make run` started uses {data}.")
        return 0
    try:
        os.kill(running.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        print(f"Process {running.pid} belongs to another user: run `make stop` as that user or as root.", file=sys.stderr)
        return 1
    print(f"Stopping Entrepot (process {running.pid}); running transfers may finish.", flush=True)
    deadline = time.monotonic() + PATIENCE_S
    while running.is_alive:
        if time.monotonic() > deadline:
            print(f"It still runs after {PATIENCE_S} seconds; to end it hard: kill -9 {running.pid}", file=sys.stderr)
            return 1
        time.sleep(0.05)
    print("Stopped.")
    return 0


def main() -> int:
    """Read the command line and stop."""
    parser = argparse.ArgumentParser(prog="make stop")
    parser.add_argument("--data", type=Path, required=True)
    return stop(parser.parse_args().data.expanduser().resolve())


if __name__ == "__main__":
    sys.exit(main())
