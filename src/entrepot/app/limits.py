"""The counts of pulls of one machine: made before the web processes, and kept in a file across restarts."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from entrepot.base.errors import EntrepotError
from entrepot.base.settings import Settings
from entrepot.domain.plans.model import PRESETS
from entrepot.platform.limits.windows import SharedWindows, Windows

_log: Final = logging.getLogger(__name__)
FILE: Final = "pull-limits"
_SAVED_EVERY_S: Final = 10.0


class LimitsNotShared(EntrepotError):
    """Several nodes would each count for themselves."""

    summary = (
        "with --database pulls would be counted on each node for itself, so --limits {preset} cannot be kept: name a Valkey or "
        "Redis with --redis, or use --limits open"
    )


def are_on(settings: Settings) -> bool:
    """Tell whether pulls are limited."""
    limit = PRESETS[settings.limits]
    return settings.access == "accounts" and (limit.address is not None or limit.account is not None)


@contextmanager
def windows_kept(settings: Settings) -> Iterator[SharedWindows | None]:
    """Count until the block is left, and write the counts down every ten seconds; None where nothing is counted in memory.

    Raises:
        LimitsNotShared
    """
    if not are_on(settings) or settings.redis:
        yield None
        return
    if settings.database:
        raise LimitsNotShared(preset=settings.limits)
    windows, file, end = SharedWindows(), Path(settings.data).resolve() / FILE, threading.Event()
    try:
        windows.load(file)
    except FileNotFoundError:
        pass
    except OSError as error:
        _log.warning("limits_not_read", extra={"file": str(file), "reason": error.strerror})
    saving = threading.Thread(target=_save, args=(windows, file, end), name="pull limits", daemon=True)
    saving.start()
    try:
        yield windows
    finally:
        end.set()
        saving.join()


def windows_of_all(settings: Settings) -> Windows | None:
    """Return the counts that all nodes share, for one web process; None where nothing is limited, or they are in memory."""
    if not are_on(settings) or not settings.redis:
        return None
    from entrepot.platform.limits.valkey import ValkeyWindows  # noqa: PLC0415 - only clusters have its client

    return ValkeyWindows(settings.redis)


def _save(windows: SharedWindows, file: Path, end: threading.Event) -> None:
    is_over = False
    while not is_over:
        is_over = end.wait(_SAVED_EVERY_S)
        try:
            windows.save(file)
        except OSError as error:  # a full disk: what was counted since the last time would be lost with the process
            _log.warning("limits_not_saved", extra={"file": str(file), "reason": error.strerror})
