"""What administrators' pages stand on: services that act for whoever asks, this machine's figures, and the settings in force."""

from collections.abc import Awaitable, Callable
from functools import partial

from entrepot.app.board import board
from entrepot.app.parts import Parts
from entrepot.base import settings as fields
from entrepot.base.settings import Found
from entrepot.domain.access.service.modes import Guarded
from entrepot.domain.accounts.service.directory import Directory
from entrepot.domain.audit.service.reading import Reading
from entrepot.domain.catalogue.service.kinds import Kinds
from entrepot.domain.catalogue.service.reports import Reports
from entrepot.web.hub.office import InForce, Machine, Office
from entrepot.web.metrics import State

_SECOND_US = 1_000_000


def office(found: Found, parts: Parts, state: Callable[[], Awaitable[State]]) -> Office:
    """Put it together; `state` is what metrics tell of this machine."""
    return Office(
        directory=Directory(parts.db),
        names=parts.registry.names,
        kinds=Kinds(Guarded(parts.db), parts.accounts.rule),
        modes=parts.modes,
        board=partial(board, parts.db),
        audit=Reading(parts.db),
        reports=Reports(Guarded(parts.db), parts.accounts.rule, mails=bool(found.settings.smtp)),
        machine=partial(_machine, found, state),
        settings=in_force(found),
    )


def in_force(found: Found) -> list[InForce]:
    """Return all settings as people may see them."""
    told, named = fields.shown, fields.option
    return [InForce(named(name), told(found, name), found.origins[name], fields.sentence(name)) for name in fields.FIELDS]


async def _machine(found: Found, state: Callable[[], Awaitable[State]]) -> Machine:
    known = await state()
    return Machine(
        open_uploads=known.open_uploads,
        disk_free_bytes=known.disk_free_bytes,
        disk_size_bytes=known.disk_size_bytes,
        disk_min_free_bytes=known.disk_min_free_bytes,
        certificate_ends_at=known.certificate_ends_at and known.certificate_ends_at * _SECOND_US,
        is_bucket=bool(found.settings.storage),
    )
