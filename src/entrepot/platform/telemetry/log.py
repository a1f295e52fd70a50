"""The log on standard error: an event's name, then its facts, as one readable line or one JSON object each."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_JOURNAL_MARKS: Final = ((logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"), (logging.NOTSET, "<7>"))
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@+,=?&*")


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {name: _text(value) for name, value in vars(record).items() if name not in _OWN}


def _text(value: object) -> object:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class TextLines(logging.Formatter):
    """`time LEVEL event fact=value …`, values that could be mistaken for something else in quotes."""

    def __init__(self, *, with_time: bool = True) -> None:
        super().__init__()
        self._with_time = with_time

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = " ".join(f"{name}={_quoted(str(value))}" for name, value in _facts(record).items())
        time = f"{_time(record)} " if self._with_time else ""
        line = f"{time}{record.levelname:<7} {record.getMessage()} {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info and record.exc_info[0] else line


class JsonLines(logging.Formatter):
    """One JSON object for each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        about = {"time": _time(record), "level": record.levelname.lower(), "event": record.getMessage(), "logger": record.name}
        if record.exc_info and record.exc_info[0]:
            about["exception"] = self.formatException(record.exc_info)
        return json.dumps(about | _facts(record), default=str)


class JournalLines(logging.Formatter):
    """The lines of another form, each with the mark that tells systemd's journal its level (sd-daemon(3))."""

    def __init__(self, form: logging.Formatter) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines."""
        mark = next(mark for level, mark in _JOURNAL_MARKS if record.levelno >= level)
        return "\n".join(f"{mark}{line}" for line in self._form.format(record).splitlines())


def _quoted(text: str) -> str:
    """Return the value so that a hostile one can neither end its line nor invent another fact."""
    return text if text and _PLAIN.issuperset(text) else json.dumps(text)


def set_up(level: str, form: str) -> None:
    """Send everything of `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    journal = _is_journal(sys.stderr.fileno())
    lines = JsonLines() if form == "json" else TextLines(with_time=not journal)  # the journal has a time for each line
    handler.setFormatter(JournalLines(lines) if journal else lines)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _is_journal(file: int) -> bool:
    """Tell whether what is written there goes to systemd's journal, which says so in the environment (systemd.exec(5))."""
    about = os.fstat(file)
    return os.environ.get("JOURNAL_STREAM", "") == f"{about.st_dev}:{about.st_ino}"
