"""What `entrepot doctor` says about the data folder: its file system, room, speed and permissions, and this machine's limits."""

import os
import pwd
import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from entrepot.base.findings import Finding, error, ok, warning
from entrepot.base.ids import new_token
from entrepot.platform.disk.ballast import Ballast

_NETWORK: Final = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|gfs2|ocfs2|beegfs|virtiofs|vboxsf|prl_fs|drvfs|fuse\.(?!fuseblk|mergerfs|lxcfs)\S+"
)
_VOLATILE: Final = frozenset({"tmpfs", "ramfs"})
_LAYERS: Final = frozenset({"overlay", "aufs"})
_WITHOUT_OWNERS: Final = frozenset({"vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk"})
_CARELESS: Final = frozenset({"nobarrier", "barrier=0"})
_KIND: Final = "file system"
_GIB: Final = 1 << 30
_MIB: Final = 1 << 20
_LEAST_BYTES: Final = _GIB
_LEAST_SHARE: Final = 0.1
_LEAST_INODES: Final = 100_000
_SPEED_MIB: Final = 64
_SYNCS: Final = 20
_LEAST_MIB_PER_S: Final = 20
_MOST_SYNC_S: Final = 0.02
_LEAST_FILES: Final = 1024
_GOOD_FILES: Final = 8192


class Mount(NamedTuple):
    """Where a file system hangs, its kind, and the options of mount and file system together."""

    point: str
    kind: str
    options: frozenset[str]


def mount_of(path: str, mountinfo: str) -> Mount | None:
    """Find the file system that holds an absolute path in the text of /proc/self/mountinfo (proc(5))."""
    found = None
    for line in mountinfo.splitlines():
        about, _, source = line.partition(" - ")
        fields, kinds = about.split(), source.split()
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        # Of two at one place, the later one hides the earlier one.
        if f"{path}/".startswith(f"{point.rstrip('/')}/") and (found is None or len(point) >= len(found.point)):
            found = Mount(point, kinds[0], frozenset(f"{fields[5]},{kinds[2]}".split(",")))
    return found


def check_mount(mount: Mount | None) -> Finding:
    """Judge a file system by its kind and options."""
    if mount is None:
        return warning(_KIND, "its kind cannot be told", "make sure that the data folder is on a local disk")
    where = f"{mount.kind} at {mount.point}"
    for applies, told, advice in (
        (mount.kind in _VOLATILE, "is memory: all is lost when the machine stops", "put --data on a disk"),
        (
            mount.kind in _LAYERS,
            "is a container's own layer: all is lost with the container",
            "mount a volume and put --data there",
        ),
        (
            _NETWORK.fullmatch(mount.kind),
            "is reached over a network, or is a virtual machine's host's: locks and syncs may not mean there what they say",
            "put --data on a local disk, and the database on PostgreSQL if several machines are to serve",
        ),
        (mount.kind in _WITHOUT_OWNERS, "keeps no owners and permissions of files", "put --data on ext4, XFS, btrfs or ZFS"),
        (
            _CARELESS & mount.options,
            f"is mounted with {', '.join(sorted(_CARELESS & mount.options))}: a power cut may take acknowledged pushes",
            "mount it without that option",
        ),
    ):
        if applies:
            return warning(_KIND, f"{where} {told}", advice)
    return ok(_KIND, where)


def check_disk(folder: Path, min_free_bytes: int) -> Iterator[Finding]:
    """Check the data folder, which may not be there yet."""
    if not folder.is_dir():
        yield error("data folder", f"{folder} is not there", "name the right one with --data, or make it by `entrepot migrate`")
        return
    yield from _permissions(folder)
    yield check_mount(mount_of(str(folder), Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")))
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    yield from check_room(free, room.f_blocks * room.f_frsize, (room.f_favail, room.f_files), min_free_bytes)
    ballast = Ballast(folder)
    yield from check_ballast(ballast.held_bytes(), ballast.due_bytes(), free)
    if free > _LEAST_BYTES:
        yield _speed(folder)


def _permissions(folder: Path) -> Iterator[Finding]:
    check = "permissions"
    about = folder.stat()
    closed = [path for path in (folder, *folder.iterdir()) if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        told = f"{closed[0]} belongs to {_user(closed[0].stat().st_uid)}, and {_user(os.geteuid())} may not write to it"
        yield error(check, told, "run Entrepot, and this command, as the data folder's user, or give it to that user: chown -R")
    elif about.st_uid != os.geteuid():
        told = f"{folder} belongs to {_user(about.st_uid)}, and this command runs as {_user(os.geteuid())}"
        yield warning(check, told, f"run it as {_user(about.st_uid)}: files made by another user may stop the service")
    elif about.st_mode & 0o077:
        yield warning(check, f"{folder} is open to other users of this machine", f"chmod 700 {folder}")
    else:
        yield ok(check, f"{folder} is for {_user(about.st_uid)} alone")


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def check_room(free: int, size: int, inodes_: tuple[int, int], min_free: int) -> Iterator[Finding]:
    """Judge the room that is left: sizes in bytes; 0 inodes in all means that the file system does not count them."""
    free_inodes, inodes = inodes_
    told = f"{free / _GIB:,.1f} of {size / _GIB:,.1f} GiB are free"
    if free < min_free:
        yield error("disk space", f"{told}, less than --min-free: pushes are refused", "make room, or lower --min-free")
    elif free < _LEAST_BYTES:
        yield error("disk space", told, "make room: pushes fail when the disk is full")
    elif free < size * _LEAST_SHARE:
        yield warning("disk space", told, "make room, or move the data folder to a larger disk")
    else:
        yield ok("disk space", told)
    if inodes and free_inodes < _LEAST_INODES:
        told = f"{free_inodes:,} more files can be made on this file system, though it has room"
        yield warning("disk space", told, "delete files, or use a file system that has more inodes: each blob is a file")


def check_ballast(held: int | None, due: int, free: int) -> Iterator[Finding]:
    """Judge the room that is held for deletions, in bytes; None when none was ever held. The service makes it by itself."""
    if held == 0:
        told = "the disk was full, and the room held for deletions was given: pushes are refused"
        yield error("disk space", told, f"make room: when {2 * due / _MIB:,.0f} MiB are free, it is held again by itself")
    elif held is None and free < 2 * due:
        told = "no room is held for deletions, which will not work on a full disk"
        yield warning("disk space", told, f"make room: when {2 * due / _MIB:,.0f} MiB are free, the service holds some")


def _speed(folder: Path) -> Finding:
    """Write 64 MiB, then sync small pieces as a database does; the file has no name any more when it is filled."""
    path = folder / f"doctor-{new_token()}"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        path.unlink()
        piece = os.urandom(_MIB)
        began = time.monotonic()
        for _ in range(_SPEED_MIB):
            os.write(file, piece)
        os.fsync(file)
        mib_per_s = _SPEED_MIB / (time.monotonic() - began)
        syncs = [_sync_s(file, piece[:4096]) for _ in range(_SYNCS)]
    finally:
        os.close(file)
    return check_speed(mib_per_s, median(syncs))


def _sync_s(file: int, piece: bytes) -> float:
    began = time.monotonic()
    os.write(file, piece)
    os.fdatasync(file)
    return time.monotonic() - began


def check_speed(mib_per_s: float, sync_s: float) -> Finding:
    """Judge how fast bytes become durable."""
    told = f"{mib_per_s:,.0f} MiB/s written and synced; a small sync takes {sync_s * 1000:.1f} ms"
    if mib_per_s < _LEAST_MIB_PER_S or sync_s > _MOST_SYNC_S:
        return warning(
            "disk speed", told, "use a faster disk, or look for what else keeps this one busy: each push waits for syncs"
        )
    return ok("disk speed", told)


def check_open_files() -> Finding:
    """Judge how many files and connections a process may have open, as far as the service has the limit of this command.

    It is the hard limit: `entrepot serve` raises the other one to it.
    """
    return check_file_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def check_file_limit(limit: int) -> Finding:
    """Judge a limit of open files; -1 is none."""
    told = "any number of files and connections" if limit < 0 else f"a process may have {limit:,} files and connections open"
    advice = "raise it: LimitNOFILE= in the service's unit, or ulimit -Hn where it is started"
    if 0 <= limit < _LEAST_FILES:
        return error("open files", told, advice)
    return warning("open files", told, advice) if 0 <= limit < _GOOD_FILES else ok("open files", told)
