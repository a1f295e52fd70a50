"""Search: where its index lies, what finds in it, and what keeps it up to date."""

import hashlib
from pathlib import Path
from typing import Final

from entrepot.app.parts import Parts
from entrepot.base.settings import Settings
from entrepot.domain.access.service.modes import Guarded
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.catalogue.service.looking import Looking
from entrepot.domain.registry.service.blobs import Blobs
from entrepot.domain.search.service.following import Following
from entrepot.domain.search.service.searching import Searching

INDEX_FOLDER: Final = "cache/search"
_MARK: Final = 16


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
    # Not the address itself, which may have a password in it.
    database = hashlib.sha256((settings.database or "SQLite").encode()).hexdigest()[:_MARK]
    return Following(parts.db, looking(settings, parts), index_folder(settings), database)
