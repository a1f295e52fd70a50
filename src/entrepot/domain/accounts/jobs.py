"""The jobs of accounts."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple

from entrepot.domain.accounts.events import ForgetEnded, ForgetFailures, LinkAsked, NoticeTokens, RotateKeys, SendLink, SendNotice
from entrepot.domain.accounts.service.invitations import Invitations
from entrepot.domain.accounts.service.keys import Keys
from entrepot.domain.accounts.service.post import Post
from entrepot.domain.accounts.service.sessions import Sessions
from entrepot.domain.accounts.service.throttle import Throttle
from entrepot.domain.accounts.service.upkeep import AccountUpkeep
from entrepot.platform.jobs import Context, Job, Kind, Schedule

_log: Final = logging.getLogger(__name__)
FORGETTING: Final = (
    Schedule("forget-failures", 3600, ForgetFailures()),
    Schedule("forget-ended", 3600, ForgetEnded()),
    Schedule("rotate-keys", 3600, RotateKeys()),
)
NOTICING: Final = Schedule("notice-tokens", 3600, NoticeTokens())


class Forgetting(NamedTuple):
    """Where something is forgotten; `address_days` is how long whole addresses are kept, 0 for always."""

    throttle: Throttle
    sessions: Sessions
    invitations: Invitations
    upkeep: AccountUpkeep
    address_days: int


class AccountJobs:
    """The handlers, one for each kind of job."""

    def __init__(self, forgetting: Forgetting, post: Post, keys: Keys) -> None:
        self._forgetting = forgetting
        self._post = post
        self._keys = keys

    def kinds(self) -> list[Kind]:
        """List what can be done."""
        return [
            Kind(ForgetFailures, self.forget_failures),
            Kind(ForgetEnded, self.forget_ended),
            Kind(NoticeTokens, self.notice_tokens),
            Kind(RotateKeys, self.rotate_keys),
            Kind(LinkAsked, self._post.grant_link),
            Kind(SendLink, self._post.send_link),
            Kind(SendNotice, self._post.send_notice),
        ]

    async def forget_failures(self, _context: Context, _job: Job) -> None:
        """Delete what no window counts any more."""
        await _told("failures_forgotten", self._forgetting.throttle.prune)

    async def forget_ended(self, _context: Context, _job: Job) -> None:
        """Delete what has ended or expired long ago, and cut old addresses."""
        await _told("sessions_forgotten", self._forgetting.sessions.prune)
        await _told("links_forgotten", self._forgetting.invitations.prune)
        await _told("tokens_forgotten", self._forgetting.upkeep.prune_credentials)
        await _told("addresses_cut", partial(self._forgetting.upkeep.cut_addresses, self._forgetting.address_days))

    async def rotate_keys(self, _context: Context, _job: Job) -> None:
        """Look whether a new key is due."""
        await _told("signing_keys_rotated", self._keys.rotate)

    async def notice_tokens(self, _context: Context, _job: Job) -> None:
        """Have those written to whose tokens expire soon."""
        await _told("tokens_noticed", self._post.notice_tokens)


async def _told(event: str, work: Callable[[], Awaitable[int]]) -> None:
    count = await work()
    if count:
        _log.info(event, extra={"count": count})
