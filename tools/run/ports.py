"""Whether a port is free, and if not, which program holds it: read from /proc, so that no tool has to be installed."""

import errno
import pwd
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LISTENING = "0A"
# `localhost` may mean either, so a program on any of these would answer instead of us.
LOOPBACK_AND_ALL = {
    "0100007F",
    "00000000",
    "00000000000000000000000001000000",
    "00000000000000000000000000000000",
    "0000000000000000FFFF00000100007F",
    "0000000000000000FFFF000000000000",
}


@dataclass(frozen=True)
class Holder:
    """Who listens on a port: `pid` and `command` are None where this user may not see them."""

    user: str
    pid: int | None
    command: str | None

    def __str__(self) -> str:
        """Name the program as far as it is visible."""
        if self.pid is None:
            return f"a program of the user {self.user}, which this account may not look at (as root it can)"
        return f"process {self.pid}: {self.command}"


def why_not(port: int) -> str | None:
    """Return what stands against listening on this port of the loopback addresses, or None when it is free."""
    found = holders(port)
    if found:
        return f"Port {port} is taken by " + " and ".join(map(str, found)) + "."
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except PermissionError:
        return f"Port {port} is reserved for root, as all below {_first_open()} are here."
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is taken by a program that is not visible from here, or by a connection that has just ended."
        return f"Port {port} cannot be listened on: {error.strerror}."
    return None


def holders(port: int) -> list[Holder]:
    """Return the programs that listen on this port where a client of localhost would reach them, each once."""
    owners = {inode: user for table in ("tcp", "tcp6") for inode, user in _listeners(Path("/proc/net") / table, port)}
    if not owners:
        return []
    visible = _processes(set(owners))
    found = [_holder(user, visible.get(inode)) for inode, user in owners.items()]
    found.sort(key=lambda holder: _started(holder.pid or 0))
    # A server's workers may each hold a socket; the first of them tells enough.
    return list({(holder.user, holder.command): holder for holder in reversed(found)}.values())[::-1]


def _holder(user: int, pid: int | None) -> Holder:
    return Holder(_user_name(user), pid, command_of(pid) if pid else None)


def _listeners(table: Path, port: int) -> list[tuple[str, int]]:
    """Return inode and user of each listening socket on the port, from the kernel's own table."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    addresses = ((row[1].partition(":"), row) for row in rows if row[3] == LISTENING)
    return [
        (row[9], int(row[7]))
        for (address, _, hexadecimal), row in addresses
        if int(hexadecimal, 16) == port and address in LOOPBACK_AND_ALL
    ]


def _processes(inodes: set[str]) -> dict[str, int]:
    """Return which process holds each of these sockets; of several that share one, the oldest."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, int] = {}
    for pid in sorted((int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()), key=_started):
        for target in _open_files(pid):
            if target in wanted:
                found.setdefault(wanted[target], pid)
    return found


def _started(pid: int) -> int:
    """Return when a process started, in the kernel's ticks: process numbers begin anew after the largest one."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return 0  # it has just ended


def _open_files(pid: int) -> Iterator[str]:
    """Give what a process has open; nothing when it ended meanwhile or belongs to someone else."""
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            # A file may be closed between the listing and the look, at the latest the listing itself when this process is ours.
            with suppress(FileNotFoundError):
                yield str(link.readlink())


def command_of(pid: int) -> str:
    """Return a process's command line, shortened to what fits a line; kernel-given name where it has none."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        text = b" ".join(words).decode(errors="replace").strip() or Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "(it has just ended)"
    most = 160
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable if len(printable) <= most else printable[:most] + "..."


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _first_open() -> str:
    try:
        return Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text().strip()
    except OSError:
        return "1024"
