"""Writing an index: one process of a data folder does, the others read. What it holds can be made anew at any time.

The place up to which entries are complete is a file of its own, written behind them: after a crash between them some changes are
followed twice, which changes nothing.
"""

import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec
from tantivy import Document, Index, IndexWriter, Query

from entrepot.platform.search.fields import (
    ABOUT,
    EDGE,
    EXACT,
    ID,
    MARK,
    NAME,
    OWNER,
    SEEN_BY,
    TEXT,
    UPDATED,
    VERSION,
    WEIGHT,
    schema,
    with_words,
)
from entrepot.platform.search.library import IndexBroken, told
from entrepot.platform.search.model import Entry, Place

_log: Final = logging.getLogger(__name__)
_MEMORY: Final = 15_000_000  # the least that the library takes; a thread of its own gives it back when nothing is written
_SHORTEST_EDGE: Final = 2
_LONGEST_EDGE: Final = 24
_PLACE: Final = "place.json"
_LOCK: Final = "lock"
_ANEW: Final = "anew"


def folder_of(folder: Path) -> Path:
    """Return where the entries of this release's form lie."""
    return folder / f"v{VERSION}"


def ask_anew(folder: Path) -> None:
    """Ask whoever writes the index to make it anew. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / _ANEW).touch()


def place_of(folder: Path) -> Place | None:
    """Return up to where the entries of a folder are complete; None when they have to be made anew."""
    entries = folder_of(folder)
    try:
        found = msgspec.json.decode((entries / _PLACE).read_bytes(), type=Place)
        return found if Index.exists(str(entries)) else None
    except (OSError, ValueError, msgspec.DecodeError):
        return None


class Writing:
    """The one who writes an index, while the context is entered. Each method may raise OSError and IndexBroken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries = folder_of(folder)
        self._lock = -1
        self._writer: IndexWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def take(self) -> bool:
        """Become the one who writes; False while another process is."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # To read only, so that its disk can be made read-only; NFS grants no lock then (EBADF).
        for mode in (os.O_RDONLY, os.O_RDWR):
            lock = os.open(self.folder / _LOCK, os.O_CREAT | mode | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(lock)
                if error.errno != errno.EBADF:
                    return False
            else:
                self._lock = lock
                return True
        return False

    def is_asked_anew(self) -> bool:
        """Tell whether somebody asked for a new one since one was begun."""
        return (self.folder / _ANEW).exists()

    def place(self) -> Place | None:
        """Return up to where the entries are complete; None when they have to be made anew."""
        return place_of(self.folder)

    def begin_anew(self) -> None:
        """Forget all entries, for readers when the next ones are committed; entries that cannot be read are thrown away."""
        (self._entries / _PLACE).unlink(missing_ok=True)
        (self.folder / _ANEW).unlink(missing_ok=True)
        for other in self.folder.glob("v*"):
            if other != self._entries:
                shutil.rmtree(other, ignore_errors=True)
        try:
            with told():
                self._open().delete_all_documents()
        except IndexBroken as error:
            self.throw_away(error)
            with told():
                self._open()

    def throw_away(self, reason: IndexBroken) -> None:
        """Delete all entries, which are broken: there is no index until it is made anew."""
        _log.warning("search_index_thrown_away", extra={"reason": str(reason)})
        self.close()
        shutil.rmtree(self._entries, ignore_errors=True)

    def put(self, entries: Iterable[Entry]) -> None:
        """Add entries, each in the place of the one of its id."""
        entries = list(entries)
        if entries:
            self.drop([entry.id for entry in entries])
            self.add(entries)

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries of ids of which there is none."""
        with told():
            writer = self._open()
            for entry in entries:
                writer.add_document(_document(entry))

    def drop(self, ids: Sequence[int]) -> None:
        """Take entries away."""
        with told():
            # Not by a term: the library would take the number for a signed one, and find nothing.
            self._open().delete_documents_by_query(Query.term_set_query(schema(), ID, ids))

    def commit(self, place: Place) -> None:
        """Let readers see what was put and dropped, which is complete up to there."""
        with told():
            self._open().commit()
        self.note(place)

    def note(self, place: Place) -> None:
        """Write up to where the entries are complete."""
        path = self._entries / _PLACE
        new = path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(place))
        new.replace(path)

    def close(self) -> None:
        """Finish what is under way, and give its memory back; what was not committed is forgotten."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with suppress(OSError, IndexBroken), told():
                writer.wait_merging_threads()

    def _open(self) -> IndexWriter:
        if self._writer is None:
            self._entries.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._writer = with_words(Index(schema(), str(self._entries))).writer(_MEMORY, 1)
        return self._writer


def _document(entry: Entry) -> Document:
    document = Document()
    document.add_unsigned(ID, entry.id)
    words = {
        SEEN_BY: entry.seen_by,
        EXACT: entry.exact,
        NAME: entry.names,
        EDGE: _edges((*entry.names, *entry.owners)),
        OWNER: entry.owners,
        MARK: entry.marks,
    }
    for name, values in words.items():
        document.add_text(name, " ".join(values))
    for fields, text in ((ABOUT, entry.about), (TEXT, entry.text)):
        if text:
            for name in fields.values():
                document.add_text(name, text)
    document.add_unsigned("pulls", entry.pulls)
    document.add_unsigned("stars", entry.stars)
    document.add_unsigned(UPDATED, entry.updated_at)
    document.add_float(WEIGHT, entry.weight)
    return document


def _edges(words: Iterable[str]) -> list[str]:
    """Return all beginnings of words, each once."""
    found = {word[:length] for word in words for length in range(_SHORTEST_EDGE, min(len(word), _LONGEST_EDGE) + 1)}
    return sorted(found)
