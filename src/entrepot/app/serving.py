"""The web application of one process, and what all of them share."""

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from entrepot.app.face import face
from entrepot.app.limits import are_on, windows_of_all
from entrepot.app.parts import Parts
from entrepot.base.errors import Unavailable
from entrepot.base.settings import Found, Settings, workers
from entrepot.domain.access.service.modes import Guarded
from entrepot.domain.access.service.permits import Permits
from entrepot.domain.audit.service.reading import Reading
from entrepot.domain.catalogue.service.kinds import Kinds
from entrepot.domain.catalogue.service.shelves import Shelves
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.domain.plans.model import PRESETS
from entrepot.domain.plans.service import Allowances
from entrepot.domain.registry.service.served import is_serving
from entrepot.platform.db.database import DatabaseAway, DatabaseUnavailable
from entrepot.platform.disk.ballast import Ballast
from entrepot.platform.disk.keeper import kept
from entrepot.platform.limits.windows import Windows
from entrepot.platform.serving.connections import Connections
from entrepot.platform.storage.filesystem import FilesystemStorage
from entrepot.platform.tls.keeper import Keeper, told_of
from entrepot.web.front import Front, Gate, Interfaces, Pages, Surface
from entrepot.web.metrics import Metrics, State
from entrepot.web.shared.authorization import AccountsGate, ApiGate
from entrepot.web.shared.gate import MetricsGate, OpenGate
from entrepot.web.shared.meters import DATABASE, LIMITS, STORAGE, Meters
from entrepot.web.v2.limits import PullLimits
from entrepot.web.v2.router import Router
from entrepot.web.v2.tokens import TokenService

if TYPE_CHECKING:
    from entrepot.domain.search.service.searching import Searching

_DEGRADED: Final = "degraded: the database is away, and what was pulled here lately is served for a minute; all else is refused\n"


def meters(settings: Settings) -> Meters:
    """Make the memory in which all web processes count; to be made before they are forked."""
    return Meters(workers(settings), settings.bodies_per_address)


def disk_kept(settings: Settings) -> AbstractContextManager[None]:
    """Look after the disk until the block is left."""
    folder = Path(settings.data).resolve()
    # Beside a bucket the ballast serves only what else lies in the data folder.
    return kept(Ballast(folder), folder.is_dir if settings.storage else FilesystemStorage(folder).is_here)


def web(
    found: Found,
    counted: Meters,
    certificate: Keeper | None,
    windows: Windows | None,
    draining: Callable[[], bool],
    connections: Connections,
) -> Front:
    """Build the application of one web process."""
    settings = found.settings
    parts = Parts(settings, counted.claims)
    counted.begin()
    connections.running = counted.transfers.running

    async def ready() -> str:
        if draining():
            return ""
        trouble = await parts.trouble()
        if trouble is not None:
            counted.failed(DATABASE if isinstance(trouble, DatabaseUnavailable) else STORAGE)
            return _DEGRADED if isinstance(trouble, DatabaseAway) and is_serving(trouble) else ""
        return "ready\n" + (told_of(certificate.ends_at) if certificate else "") + await _told_of_mode(parts)

    state = partial(_state, settings, parts, certificate)
    metrics = Metrics(MetricsGate(settings.metrics_allow), counted, state)
    interfaces = _interfaces(settings, parts, windows, counted, cache(partial(_pages, found, parts, state)))
    return Front(interfaces, parts, metrics, ready=ready, access_log=settings.access_log)


def prepare_api(settings: Settings) -> None:
    """Import the JSON interface where it is served, before the workers are forked: its framework takes 15 MB."""
    if settings.access == "accounts":
        from entrepot.web.api import application  # noqa: F401, PLC0415 - see above


def _interfaces(
    settings: Settings, parts: Parts, windows: Windows | None, counted: Meters, pages: Callable[[], Pages]
) -> Interfaces:
    if settings.access == "open":
        router = Router(parts.registry, counts=settings.count_pulls)
        open_gate = OpenGate(settings.public_url)
        search = cache(partial(_search, settings, parts, open_gate))
        return Interfaces(router, open_gate, pages, search)
    who = parts.accounts
    trusted = [each.strip() for each in settings.trusted_proxies.split(",") if each.strip()]
    gate = AccountsGate(who.identity, who.tokens, settings.public_url, trusted)
    windows = windows or windows_of_all(settings)
    limits = None
    if windows is not None:
        away = partial(counted.failed, LIMITS)
        preset = PRESETS[settings.limits]
        allowed = Allowances(parts.db, settings.default_plan, preset.account).pulls
        limits = PullLimits(windows, preset.address, allowed, dry_run=settings.limits_dry_run, away=away)
    router = Router(parts.registry, TokenService(gate, who.identity, who.tokens), limits, counts=settings.count_pulls)
    search = cache(partial(_search, settings, parts, gate))
    return Interfaces(router, gate, pages, search, _api(settings, parts, gate))


def _search(settings: Settings, parts: Parts, gate: Gate) -> Pages:
    from entrepot.app.search import searching  # noqa: PLC0415 - with the first search: pulls do not wait for it
    from entrepot.web.v1.search import SearchService  # noqa: PLC0415

    return SearchService(gate, searching(settings, parts))


def _pages(found: Found, parts: Parts, state: Callable[[], Awaitable[State]]) -> Pages:
    from entrepot.app.office import office  # noqa: PLC0415 - with the first page: pulls do not wait for it
    from entrepot.app.search import searching  # noqa: PLC0415
    from entrepot.web.hub.desk import Desk  # noqa: PLC0415
    from entrepot.web.hub.shop import Shop  # noqa: PLC0415
    from entrepot.web.hub.surface import Surface as Hub  # noqa: PLC0415
    from entrepot.web.hub.visiting import Visits  # noqa: PLC0415

    settings, rule, guarded = found.settings, parts.accounts.rule, Guarded(parts.db)
    shop = Shop(searching(settings, parts), Shelves(parts.db), Kinds(guarded, rule), Stars(guarded, rule))
    if settings.access == "open":
        return Hub(parts.registry, shop, settings.public_url, None, face(settings))
    from entrepot.web.api.application import DOCUMENT  # noqa: PLC0415 - only where there are accounts

    who, changing = parts.accounts, parts.accounts.guarded()
    desk = Desk(
        users=who.users,
        changing=changing.users,
        factors=who.people.factors,
        enrolling=changing.people.factors,
        sessions=who.people.sessions,
        tokens=who.tokens,
        identity=who.identity,
        organisations=changing.organisations,
        plans=changing.plans,
        credentials=changing.credentials,
        permits=Permits(who.organisations, who.rule),
        invitations=changing.people.invitations,
        recovery=changing.people.recovery,
        signup=settings.signup,
        mails=bool(settings.smtp),
        limits_pulls=are_on(settings) and not settings.limits_dry_run,
        counts_pulls=settings.count_pulls,
        visits=Visits(who.people.sessions),
        interface=DOCUMENT,
        office=office(found, parts, state),
    )
    return Hub(parts.registry, shop, settings.public_url, desk, face(settings))


def _api(settings: Settings, parts: Parts, gate: AccountsGate) -> Surface:
    from entrepot.web.api.application import Surface as Api  # noqa: PLC0415 - see prepare_api
    from entrepot.web.api.asking import Verbs  # noqa: PLC0415

    who, changing = parts.accounts, parts.accounts.guarded()
    guarded = Guarded(parts.db)
    verbs = Verbs(
        permits=Permits(who.organisations, who.rule),
        users=changing.users,
        organisations=changing.organisations,
        credentials=changing.credentials,
        registry=parts.registry,
        names=parts.registry.names,
        invitations=changing.people.invitations,
        recovery=changing.people.recovery,
        own=changing.people.own,
        enrolling=changing.people.factors,
        plans=changing.plans,
        audit=Reading(parts.db),
        kinds=Kinds(guarded, who.rule),
        stars=Stars(guarded, who.rule),
        shelves=Shelves(parts.db),
        searching=cache(partial(_finder, settings, parts)),
        tokens=who.tokens,
        signing=who.users,
        identity=who.identity,
        sessions=who.people.sessions,
        factors=who.people.factors,
    )
    return Api(ApiGate(gate, who.identity, who.tokens), verbs, settings.public_url)


def _finder(settings: Settings, parts: Parts) -> "Searching":
    from entrepot.app.search import searching  # noqa: PLC0415 - with the first search: pulls do not wait for it

    return searching(settings, parts)


async def _state(settings: Settings, parts: Parts, certificate: Keeper | None) -> State:
    """Look at what metrics tell beside what was counted; one part that cannot be told does not hide the others."""
    uploads = disk = ballast = read_only = None
    away_s: float | None = 0
    try:
        uploads = await parts.registry.uploads.count_open()
        read_only = int((await parts.modes.current()).read_only)
    except DatabaseAway as away:
        away_s = round(away.for_s, 1)
    except Unavailable:
        away_s = None
    with suppress(OSError):
        disk = os.statvfs(settings.data)
        ballast = parts.ballast.held_bytes()
    return State(
        open_uploads=uploads,
        database_away_s=away_s,
        disk_free_bytes=disk and disk.f_bavail * disk.f_frsize,
        disk_size_bytes=disk and disk.f_blocks * disk.f_frsize,
        disk_min_free_bytes=settings.min_free,
        ballast_bytes=ballast,
        certificate_ends_at=int(certificate.ends_at.timestamp()) if certificate else None,
        read_only=read_only,
    )


async def _told_of_mode(parts: Parts) -> str:
    """Return a line for probes while clients may change nothing; pulls do not wait for that."""
    with suppress(Unavailable):
        return "read-only\n" if (await parts.modes.current()).read_only else ""
    return ""
