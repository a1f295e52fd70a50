"""Limits on pulls, as Docker Hub counts and tells them.

What a pull is stands in `pulls`. An index is refused too when nothing is left, because what follows it would be.
HEAD is never counted. The permit is taken before the manifest is read, so that many at once are no more than the limit.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, NamedTuple

from entrepot.base.errors import EntrepotError
from entrepot.domain.access.model import Actor
from entrepot.domain.registry.service import Registry
from entrepot.platform.limits.windows import WINDOW_S, LimitsAway, Taken, Windows
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.shared.call import Answer, Call, Header
from entrepot.web.shared.origin import counted_as
from entrepot.web.v2.manifests import get_manifest
from entrepot.web.v2.wire import SAFE

OfAccount = Callable[[int, str], Awaitable[int | None]]  # by an account's id, and by the namespace that a robot belongs to
_log: Final = logging.getLogger(__name__)
_OK: Final = 200
# Where scripts look what they have left (Docker Hub, "Check your current usage"): it is not counted.
_PREVIEW: Final = "ratelimitpreview/test"
_PREVIEWED: Final = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
_INDEX: Final = "application/vnd.oci.image.index.v1+json"


class TooManyPulls(EntrepotError):
    """The address or the account has pulled as much as it may."""

    summary = (
        "you have reached your pull limit of {limit} in 6 hours: try again in {retry_after_s} seconds{hint}. "
        "toomanyrequests: You have reached your pull rate limit"
    )

    def __init__(self, limit: int, taken: Taken, shown: str, *, is_somebody: bool) -> None:
        hint = "" if is_somebody else ", or sign in (docker login) to pull more"
        super().__init__(limit=limit, retry_after_s=taken.retry_after_s, hint=hint)
        self.retry_after_s = taken.retry_after_s
        self.headers = _headers(limit, taken, shown)


class _Permit(NamedTuple):
    """The limit of whoever asks, and what they have left of it."""

    limit: int
    taken: Taken
    source: str  # whom it counts for
    shown: str  # what the caller is told of that


class PullLimits:
    """Counts pulls and refuses those beyond the limit; with `dry_run` it only tells."""

    def __init__(
        self, windows: Windows, of_address: int | None, of_account: OfAccount, *, dry_run: bool, away: Callable[[], None]
    ) -> None:
        """Take the windows and the limits; `away` is told when the windows do not answer, and then every pull goes through."""
        self._windows = windows
        self._of_address = of_address
        self._of_account = of_account
        self._dry_run = dry_run
        self._away = away

    async def get_manifest(self, call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
        """end-3, within the limit of whoever asks.

        Raises:
            TooManyPulls, and what `get_manifest` raises
        """
        is_preview = name.stored == _PREVIEW
        is_counted = call.method != "HEAD" and not is_preview
        permit = None
        network = counted_as(call.client)
        if network is not None:
            actor = call.actor
            limit = await self._of_account(actor.account, actor.owner) if actor.is_somebody else self._of_address
            if limit is not None:
                permit = await self._permit(call, network, limit, count=is_counted)
        if permit is None or not is_counted:
            answer = _preview() if is_preview else await get_manifest(call, registry, name, last)
            return answer if permit is None else _told(answer, permit)
        try:
            answer = await get_manifest(call, registry, name, last)
        finally:
            if not call.pulled:
                permit = await self._given_back(permit)
        return _told(answer, permit)

    async def _permit(self, call: Call, network: str, limit: int, *, count: bool) -> _Permit | None:
        """Return what is left, with one taken if `count`; None when nobody can tell. Raises TooManyPulls."""
        source, shown = _source(call.actor, network)
        try:
            taken = await (self._windows.take if count else self._windows.look)(source, limit)
        except LimitsAway:
            self._away()
            return None
        if count and not taken.allowed:
            if not self._dry_run:
                raise TooManyPulls(limit, taken, shown, is_somebody=call.actor.is_somebody)
            _log.info("pull_beyond_the_limit", extra={**call.about(), "source": source, "limit": limit})
        return _Permit(limit, taken, source, shown)

    async def _given_back(self, permit: _Permit) -> _Permit:
        """Give back what was taken for something that is no pull."""
        if not permit.taken.allowed:
            return permit
        with suppress(LimitsAway):
            await self._windows.give_back(permit.source, permit.taken.bucket)
        return permit._replace(taken=permit.taken._replace(remaining=permit.taken.remaining + 1))


def _source(actor: Actor, network: str) -> tuple[str, str]:
    """Return whom a pull counts for, and what the caller is told of that."""
    if actor.account:
        return f"account {actor.account}", actor.owner or actor.name
    if actor.owner:
        return f"namespace {actor.owner}", actor.owner
    return f"address {network}", actor.name if actor.is_somebody else network.partition("/")[0]


def _told(answer: Answer, permit: _Permit) -> Answer:
    headers = _headers(permit.limit, permit.taken, permit.shown)
    return Answer(answer.status, [*answer.headers, *headers], answer.body, answer.stream)


def _headers(limit: int, taken: Taken, shown: str) -> list[Header]:
    return [
        (b"ratelimit-limit", b"%d;w=%d" % (limit, WINDOW_S)),
        (b"ratelimit-remaining", b"%d;w=%d" % (taken.remaining, WINDOW_S)),
        (b"docker-ratelimit-source", shown.encode()),
    ]


def _preview() -> Answer:
    """Return the manifest that stands where nothing is stored."""
    digest = str(Digest.of(_PREVIEWED)).encode()
    about = [(b"content-type", _INDEX.encode()), (b"docker-content-digest", digest)]
    return Answer(_OK, [*about, (b"content-length", b"%d" % len(_PREVIEWED)), *SAFE], _PREVIEWED)
