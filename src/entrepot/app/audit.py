"""The audit log put together, and what `entrepot audit` opens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from entrepot.app.parts import key_file, opened_database
from entrepot.base.settings import Settings
from entrepot.domain.access.service.modes import pauses_jobs
from entrepot.domain.accounts.service.keys import Keys
from entrepot.domain.audit.service.anchors import PURPOSE, Anchors
from entrepot.domain.audit.service.checking import Checker
from entrepot.domain.audit.service.reading import Reading
from entrepot.domain.audit.service.sequencer import Sequencer
from entrepot.domain.audit.service.upkeep import Upkeep
from entrepot.platform.db.database import Database
from entrepot.platform.secrets.rotation import KeyFile


class Audit(msgspec.Struct, frozen=True):
    """All that can be done with the log."""

    sequencer: Sequencer
    anchors: Anchors
    checker: Checker
    reading: Reading
    upkeep: Upkeep


def audit(db: Database, settings: Settings) -> Audit:
    """Put it together."""
    anchors = Anchors(db, Keys(db, KeyFile(key_file(settings)), PURPOSE))
    return Audit(Sequencer(db, pauses_jobs), anchors, Checker(db, anchors), Reading(db), Upkeep(db, anchors))


@asynccontextmanager
async def opened_audit(settings: Settings) -> AsyncIterator[Audit]:
    """Open the log. Raises what `opened_database` does."""
    async with opened_database(settings) as db:
        yield audit(db, settings)
