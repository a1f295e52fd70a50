"""Search: where its index lies, what finds in it, and what keeps it up to date."""

import asyncio
import hashlib
from pathlib import Path
from typing import Final

from entrepot.app.parts import DataFolderUnusable, Parts
from entrepot.base.clock import seconds_us
from entrepot.base.errors import Unavailable
from entrepot.base.findings import Finding, ok, warning
from entrepot.base.settings import Settings
from entrepot.domain.access.service.modes import Guarded
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.catalogue.service.looking import Looking
from entrepot.domain.registry.service.blobs import Blobs
from entrepot.domain.search.service.following import Following
from entrepot.domain.search.service.searching import Searching
from entrepot.domain.search.service.state import MOST_COUNTED, state
from entrepot.platform.db.database import Database
from entrepot.platform.search.writing import ask_anew

INDEX_FOLDER: Final = "cache/search"
_MARK: Final = 16
_LATE_US: Final = seconds_us(60)
_LOOK: Final = "look for search_index_not_written in its log"


def index_folder(settings: Settings) -> Path:
    """Return where this machine's index lies."""
    return Path(settings.data).resolve() / INDEX_FOLDER


def searching(settings: Settings, parts: Parts) -> Searching:
    """Return what finds."""
    return Searching(parts.db, parts.accounts.rule, index_folder(settings))


def looking(settings: Settings, parts: Parts) -> Looking:
    """Return what looks into images, everybody's: what is read of them is shown only to those who may see them."""
    blobs = Blobs(parts.db, parts.storage, OpenRule(), gc_grace_s=settings.gc_grace)
    return Looking(Guarded(parts.db), blobs)


def following(settings: Settings, parts: Parts) -> Following:
    """Return what keeps the index up to date."""
    return Following(parts.db, looking(settings, parts), index_folder(settings), mark_of(settings))


async def rebuild(settings: Settings) -> None:
    """Ask whoever keeps this machine's index to make it anew. Raises DataFolderUnusable."""
    folder = index_folder(settings)
    try:
        await asyncio.to_thread(ask_anew, folder)
    except OSError as error:
        raise DataFolderUnusable(folder=folder, reason=error.strerror) from None


async def check_index(settings: Settings, db: Database) -> Finding:
    """Tell whether this machine's index is there, and how far it is behind."""
    try:
        found = await state(db, index_folder(settings), mark_of(settings))
    except Unavailable as away:
        return warning("search", f"not looked at: {away.message}", "see the lines above")
    if found.entries is None:
        told = "there is no index here, so that only beginnings of names are found"
        return warning("search", told, f"the service makes it: when it has run for a while, {_LOOK}")
    if not found.leads_on:
        return warning("search", "the index does not follow this database", f"the service makes it anew: if not, {_LOOK}")
    images = f"{found.entries} images"
    if found.behind_us > _LATE_US:
        changes = f"{found.waiting} changes" if found.waiting < MOST_COUNTED else f"{MOST_COUNTED} changes or more"
        told = f"{images}; {changes} are not in the index, the first for {found.behind_us // seconds_us(1)} s"
        return warning("search", told, f"the service takes them in: if it runs, {_LOOK}")
    return ok("search", f"{images}, nothing waits" if not found.waiting else f"{images}, {found.waiting} changes wait")


def mark_of(settings: Settings) -> str:
    """Return what tells databases apart: not the address itself, which may have a password in it."""
    return hashlib.sha256((settings.database or "SQLite").encode()).hexdigest()[:_MARK]
