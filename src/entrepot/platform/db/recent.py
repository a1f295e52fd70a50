"""What the processes of one machine remember for one another for some minutes: a small database, written beside the work.

To note something costs its caller a line in a queue; a thread writes what came together. It may be lost: where it cannot be
written nothing is remembered. But what was forgotten must not come back. So a note bears the time from before its value was
read, and is dropped when its key, or everything, was forgotten since: another process may have read the value just before, and
note it after. One that comes much later is dropped in any case, so that what was forgotten need not be known for long.

Times are those of the machine since its start, which nobody sets; what is from before a restart of the machine is dropped.
"""

import logging
import os
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

_log: Final = logging.getLogger(__name__)
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_TOGETHER_S: Final = 0.2  # what comes within this time is written in one transaction
_TRIM_EVERY_S: Final = 10.0
_BUSY_S: Final = 2.0
_LATE_S: Final = 60.0  # after its value began to be read, a note is dropped
_MOST_WAITING: Final = 8 << 20  # bytes: what comes faster than the disk takes it is not remembered
_PAGE: Final = 4096
_PRIMARY: Final = 0xFF  # the part of an error's code that is not about details
_PASSING: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS note (key TEXT PRIMARY KEY, at REAL NOT NULL, size INTEGER NOT NULL, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS forgotten (key TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS machine (boot TEXT NOT NULL, since REAL NOT NULL);
"""
_NOTE: Final = """
INSERT INTO note SELECT :key, :at, length(:value), :value
WHERE :at > (SELECT since FROM machine) AND NOT EXISTS (SELECT 1 FROM forgotten WHERE key = :key AND at >= :at)
ON CONFLICT (key) DO UPDATE SET at = excluded.at, size = excluded.size, value = excluded.value WHERE at < excluded.at
"""
_FORGET: Final = """
INSERT INTO forgotten VALUES (:key, :at) ON CONFLICT (key) DO UPDATE SET at = excluded.at WHERE at < excluded.at
"""
_FORGET_NOTE: Final = "DELETE FROM note WHERE key = :key AND at <= :at"
_TRIM: Final = """
DELETE FROM note WHERE key IN
(SELECT key FROM (SELECT key, SUM(size) OVER (ORDER BY at DESC, key) AS total FROM note) WHERE total > ?)
"""


class Note(NamedTuple):
    """What is to be remembered, or forgotten if there is no value: `at` is a time of `now`."""

    key: str
    at: float
    value: bytes | None


def now() -> float:
    """Return the time in seconds that notes are told in: the same for all processes of the machine."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Recent:
    """Values by key, each for `keep_s` seconds, at most about `limit_bytes` of them; to be used in one process after its fork."""

    def __init__(self, folder: Path, *, keep_s: float, limit_bytes: int) -> None:
        """Keep it in a folder of its own, made when it is needed in one that is there, or else its disk is away."""
        self._folder = folder
        self._file = folder / "notes.db"
        self._keep_s = keep_s
        self._limit_bytes = limit_bytes
        self._waiting: queue.SimpleQueue[Note | None] = queue.SimpleQueue()
        self._put_bytes = 0  # into the queue, by who notes
        self._taken_bytes = 0  # out of it, by the writer: neither thread changes what is the other's
        self._has_missed = False
        self._writer: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._opened = (0, 0)  # device and inode of what the connection has open
        self._lock = threading.Lock()
        self._trim_at = 0.0

    def close(self) -> None:
        """Write what waits, and close the file."""
        if self._writer is not None:
            self._waiting.put(None)
            self._writer.join()
        with self._lock:
            self._drop()

    def note(self, note: Note) -> None:
        """Remember a value soon, or forget it soon; called from one thread only."""
        if self._put_bytes - self._taken_bytes > _MOST_WAITING:
            self._has_missed |= note.value is None
            return
        self._put_bytes += _weight(note)
        self._waiting.put(note)
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="recent", daemon=True)
            self._writer.start()

    def find(self, key: str) -> bytes | None:
        """Return the value, unless it was noted longer ago than it is kept. It waits for the disk."""
        try:
            with self._using() as connection:
                found = connection.execute(
                    "SELECT value FROM note WHERE key = ? AND at > ? AND typeof(value) = 'blob'", (key, now() - self._keep_s)
                ).fetchone()
        except (sqlite3.Error, OSError) as error:
            _log.debug("recent_not_read", extra={"reason": str(error)})
            return None
        return found[0] if found else None

    def forget(self, key: str) -> None:
        """Forget the value, in all processes, before this returns; if need be with all others. It waits for the disk."""
        try:
            with self._using() as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                self._forget(connection, [Note(key, now(), None)])
        except (sqlite3.Error, OSError) as error:
            _log.debug("recent_thrown_away", extra={"reason": str(error)})
            self._throw_away()

    def _write(self) -> None:
        ended = False
        while not ended:
            first = self._waiting.get()
            ended = first is None
            if first is None:
                return
            time.sleep(_TOGETHER_S)
            notes = [first]
            with suppress(queue.Empty):
                while (following := self._waiting.get_nowait()) is not None:
                    notes.append(following)
                ended = True
            self._taken_bytes += sum(map(_weight, notes))
            self._write_down(notes)
            if self._has_missed:
                self._has_missed = False
                self._throw_away()

    def _write_down(self, notes: list[Note]) -> None:
        try:
            with self._using() as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                if now() > self._trim_at:
                    self._trim(connection)
                self._forget(connection, [note for note in notes if note.value is None])
                late = now() - _LATE_S
                kept = [note._asdict() for note in notes if note.value is not None and note.at > late]
                connection.executemany(_NOTE, kept)
        except (sqlite3.Error, OSError) as error:
            passing = getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _PASSING
            _log.debug("recent_not_written", extra={"reason": str(error)})
            self._trim_at = 0.0
            # A power cut may have left anything; and what is to be forgotten goes, if need be with all else.
            if not passing or any(note.value is None for note in notes):
                self._throw_away()

    def _forget(self, connection: sqlite3.Connection, notes: list[Note]) -> None:
        rows = [{"key": note.key, "at": note.at} for note in notes]
        connection.executemany(_FORGET, rows)
        connection.executemany(_FORGET_NOTE, rows)

    def _trim(self, connection: sqlite3.Connection) -> None:
        old = now() - self._keep_s
        connection.execute("DELETE FROM note WHERE at < ?", (old,))
        connection.execute("DELETE FROM forgotten WHERE at < ?", (now() - 2 * _LATE_S,))
        connection.execute(_TRIM, (self._limit_bytes,))
        self._trim_at = now() + _TRIM_EVERY_S

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._connection is not None and self._opened != _identity(self._file):
                self._drop()  # another process threw it away
            yield self._connection or self._open()

    def _open(self) -> sqlite3.Connection:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        connection = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute(f"PRAGMA max_page_count={2 * self._limit_bytes // _PAGE}")
            boot = _BOOT_ID.read_text("ascii").strip()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA.split(";\n")[:-1]:
                    connection.execute(statement)
                found = connection.execute("SELECT boot FROM machine WHERE since IS NOT NULL").fetchall()
                if found != [(boot,)]:
                    for table in ("note", "forgotten", "machine"):
                        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - ours, from above
                    connection.execute("INSERT INTO machine VALUES (?, 0)", (boot,))
        except BaseException:
            connection.close()
            raise
        self._connection, self._opened = connection, _identity(self._file)
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _throw_away(self) -> None:
        """Forget everything: all processes notice that their file is not the one that lies there."""
        with self._lock:
            self._drop()
            # As a whole: a file of SQLite's that stayed behind would bring back what it has, and one made anew must not be hit.
            away = self._folder.with_name(f"{self._folder.name}-{os.getpid()}-{time.monotonic_ns()}")
            try:
                self._folder.rename(away)
            except FileNotFoundError:
                return
            except OSError as error:
                _log.warning("recent_not_thrown_away", extra={"reason": str(error)})
                return
            shutil.rmtree(away, ignore_errors=True)
            self._keep_out_older()

    def _keep_out_older(self) -> None:
        """Take no note into the file that lies there now of a value that was read before."""
        try:
            connection, since = self._open(), now()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("UPDATE machine SET since = ?", (since,))
                connection.execute("DELETE FROM note WHERE at <= ?", (since,))
        except (sqlite3.Error, OSError) as error:
            _log.debug("recent_not_begun", extra={"reason": str(error)})


def _weight(note: Note) -> int:
    return len(note.key) + len(note.value or b"")


def _identity(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return (0, 0)
    return found.st_dev, found.st_ino
