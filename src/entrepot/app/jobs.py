"""What a job process runs: every kind of background job that there is."""

import asyncio
from typing import Final

from entrepot.app.audit import audit
from entrepot.app.parts import Parts, key_file
from entrepot.app.search import following, looking
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import RegistryReadOnly
from entrepot.domain.access.service.modes import Guarded, pauses_jobs
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.access.service.tokens import PURPOSE
from entrepot.domain.accounts.events import MAIL
from entrepot.domain.accounts.jobs import FORGETTING, NOTICING, AccountJobs, Forgetting
from entrepot.domain.accounts.service.keys import Keys
from entrepot.domain.accounts.service.throttle import Throttle
from entrepot.domain.accounts.service.upkeep import AccountUpkeep
from entrepot.domain.audit.jobs import AuditJobs
from entrepot.domain.catalogue.jobs import CatalogueJobs
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.domain.registry.jobs import LIMITS, RegistryJobs
from entrepot.domain.registry.service.changes import Changes
from entrepot.platform.jobs import PRUNING, Engine, Kind, Prune, Setup, keep, prune, work
from entrepot.platform.secrets.rotation import KeyFile

_MAILS_AT_ONCE: Final = 2  # a server that hangs leaves places for other jobs
_DEFAULT_PLACES: Final = 4  # of `entrepot worker` where the settings, shared with `serve`, say none


def engine(settings: Settings, parts: Parts, places: int) -> Engine:
    """Build the engine of one job process."""
    rooms = parts.registry
    of_registry = RegistryJobs(rooms.collector, rooms.checker, rooms.pulls, rooms.tag_lists, scrub_rate=settings.scrub_rate)
    who = parts.accounts.people
    forgetting = Forgetting(Throttle(parts.db, ""), who.sessions, who.invitations, AccountUpkeep(parts.db), settings.address_days)
    of_accounts = AccountJobs(forgetting, who.post, Keys(parts.db, KeyFile(key_file(settings)), PURPOSE))
    kept = audit(parts.db, settings)
    of_catalogue = CatalogueJobs(looking(settings, parts), Stars(Guarded(parts.db), OpenRule()), Changes(parts.db))
    of_audit = AuditJobs(kept.anchors, kept.upkeep, address_days=settings.address_days, keep_months=settings.audit_keep)
    setup = Setup(
        kinds=[Kind(Prune, prune), *of_registry.kinds(), *of_catalogue.kinds(), *of_accounts.kinds(), *of_audit.kinds()],
        schedules=[
            PRUNING,
            *of_registry.schedules(settings.gc_grace),
            *of_catalogue.schedules(),
            *of_audit.schedules(),
            *(FORGETTING if settings.access == "accounts" else []),
            *([NOTICING] if settings.access == "accounts" and settings.smtp else []),
        ],
        limits={**LIMITS, MAIL: _MAILS_AT_ONCE},
        paused=pauses_jobs,
        refusal=(RegistryReadOnly,),
    )
    return Engine(parts.db, setup, places)


def work_on_jobs(settings: Settings, *, follows: bool = False) -> None:
    """Run background jobs in this process until told to stop; where pages are served, keep their search index too.

    Raises:
        DatabaseUnavailable: it does not answer at the start.
    """
    places = _DEFAULT_PLACES if settings.jobs == "none" else settings.jobs

    async def run() -> None:
        parts = Parts(settings)
        beside = [audit(parts.db, settings).sequencer.run]
        if follows:
            beside.append(following(settings, parts).run)
        await work(parts, engine(settings, parts, places), *beside)

    asyncio.run(run())


def follow_changes(settings: Settings) -> None:
    """Keep this machine's search index until told to stop: its jobs are done elsewhere. Raises DatabaseUnavailable."""

    async def run() -> None:
        parts = Parts(settings)
        await keep(parts, following(settings, parts).run)

    asyncio.run(run())
