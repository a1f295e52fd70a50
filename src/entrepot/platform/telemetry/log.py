"""The log on standard error: an event's name, then its facts, as one readable line or one JSON object each."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@+,=?&*")


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {name: _text(value) for name, value in vars(record).items() if name not in _OWN}


def _text(value: object) -> object:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class TextLines(logging.Formatter):
    """`time LEVEL event fact=value …`, values that could be mistaken for something else in quotes."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = " ".join(f"{name}={_quoted(str(value))}" for name, value in _facts(record).items())
        line = f"{_time(record)} {record.levelname:<7} {record.getMessage()} {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info and record.exc_info[0] else line


class JsonLines(logging.Formatter):
    """One JSON object for each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        about = {"time": _time(record), "level": record.levelname.lower(), "event": record.getMessage(), "logger": record.name}
        if record.exc_info and record.exc_info[0]:
            about["exception"] = self.formatException(record.exc_info)
        return json.dumps(about | _facts(record), default=str)


def _quoted(text: str) -> str:
    """Return the value so that a hostile one can neither end its line nor invent another fact."""
    return text if text and _PLAIN.issuperset(text) else json.dumps(text)


def set_up(level: str, form: str) -> None:
    """Send everything of `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
