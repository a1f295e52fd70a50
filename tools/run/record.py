"""The note in the data folder of which Entrepot serves it, so that `make stop` finds it and a second `make run` says so."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "make-run.json"


@dataclass(frozen=True)
class Running:
    """A started Entrepot. Process numbers are used again, so the start tells whether it is still the same process."""

    pid: int
    started_ticks: int
    port: int

    @property
    def is_alive(self) -> bool:
        """Tell whether this very process still runs."""
        return started_ticks(self.pid) == self.started_ticks


def started_ticks(pid: int) -> int | None:
    """Return when a process was started, in the kernel's ticks since boot; None when it is gone or only waits to be reaped."""
    try:
        # The name, in brackets, may itself hold spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def write(data: Path, pid: int, port: int) -> None:
    """Note that this process serves the data folder."""
    running = Running(pid, started_ticks(pid) or 0, port)
    draft = data / f"{NAME}.{os.getpid()}"
    draft.write_text(json.dumps(asdict(running)) + "\n")
    draft.replace(data / NAME)


def read(data: Path) -> Running | None:
    """Return the Entrepot that serves the data folder, or None when none that `make run` started does."""
    try:
        running = Running(**json.loads((data / NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return running if running.is_alive else None


def remove(data: Path) -> None:
    """Take the note away."""
    (data / NAME).unlink(missing_ok=True)
