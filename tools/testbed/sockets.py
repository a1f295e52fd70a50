"""Which sockets listen and which services are enabled, compared before and after an installation.

An installation must start nothing. What other programs on the machine do meanwhile is told apart by who owns a socket.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LISTEN: Final = "0A"
_PERSISTS_S: Final = 0.5
_SERVICE_LINKS: Final = (
    "etc/rc?.d/S*",
    "etc/init.d/*",
    "etc/systemd/system/**/*",
    "etc/systemd/user/**/*",
    "usr/lib/systemd/system/*",
)


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that accepts connections, and the process that owns it where that can be seen."""

    address: str
    inode: str
    pid: int
    program: str


def listening() -> dict[str, str]:
    """Return the listening TCP sockets, their address by inode."""
    found = {}
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text("ascii").splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == _LISTEN:
                host, _, port = words[1].rpartition(":")
                found[words[9]] = f"{table} {host}:{int(port, 16)}"
    return found


def started_since(before: dict[str, str], *, except_under: int = 0, except_programs_in: tuple[Path, ...] = ()) -> list[Listener]:
    """Return the sockets that have come since, and stay.

    Those of descendants of the process `except_under`, and of programs in the given folders, are somebody's own doing and
    are left out: an installation that starts a server starts it from the machine's folders and under no one.
    """
    if not listening().keys() - before.keys():
        return []
    time.sleep(_PERSISTS_S)
    after = listening()
    owners = _owners()
    new = (Listener(after[inode], inode, *owners.get(inode, (0, ""))) for inode in after.keys() - before.keys())
    folders = tuple(f"{folder}/" for folder in except_programs_in)
    return [
        listener
        for listener in new
        if listener.pid
        and not listener.program.startswith(folders)
        and not (except_under and except_under in _ancestors(listener.pid))
    ]


def enabled_services(root: Path = Path("/")) -> set[str]:
    """Return the files and links by which the machine knows its services."""
    return {str(path.relative_to(root)) for pattern in _SERVICE_LINKS for path in root.glob(pattern)}


def _owners() -> dict[str, tuple[int, str]]:
    owners = {}
    for pid in (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()):
        for inode in _socket_inodes(pid):
            owners[inode] = (pid, _program(pid))
    return owners


def _socket_inodes(pid: int) -> Iterator[str]:
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]
    except OSError:
        # It has ended meanwhile, or belongs to another user.
        return


def _program(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""


def _ancestors(pid: int) -> set[int]:
    found: set[int] = set()
    while pid > 1 and pid not in found:
        found.add(pid)
        try:
            stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
        except OSError:
            break
        pid = int(stat.rpartition(")")[2].split()[1])
    return found
