"""The jobs of accounts."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from entrepot.domain.accounts.events import ForgetEnded, ForgetFailures, LinkAsked, NoticeTokens, SendLink, SendNotice
from entrepot.domain.accounts.service.invitations import Invitations
from entrepot.domain.accounts.service.post import Post
from entrepot.domain.accounts.service.sessions import Sessions
from entrepot.domain.accounts.service.throttle import Throttle
from entrepot.platform.jobs import Context, Job, Kind, Schedule

_log: Final = logging.getLogger(__name__)
FORGETTING: Final = (Schedule("forget-failures", 3600, ForgetFailures()), Schedule("forget-ended", 3600, ForgetEnded()))
NOTICING: Final = Schedule("notice-tokens", 3600, NoticeTokens())


class AccountJobs:
    """The handlers, one for each kind of job."""

    def __init__(self, throttle: Throttle, sessions: Sessions, invitations: Invitations, post: Post) -> None:
        self._throttle = throttle
        self._sessions = sessions
        self._invitations = invitations
        self._post = post

    def kinds(self) -> list[Kind]:
        """List what can be done."""
        return [
            Kind(ForgetFailures, self.forget_failures),
            Kind(ForgetEnded, self.forget_ended),
            Kind(NoticeTokens, self.notice_tokens),
            Kind(LinkAsked, self._post.grant_link),
            Kind(SendLink, self._post.send_link),
            Kind(SendNotice, self._post.send_notice),
        ]

    async def forget_failures(self, _context: Context, _job: Job) -> None:
        """Delete what no window counts any more."""
        await _told("failures_forgotten", self._throttle.prune)

    async def forget_ended(self, _context: Context, _job: Job) -> None:
        """Delete sessions that have ended and links that expired long ago."""
        await _told("sessions_forgotten", self._sessions.prune)
        await _told("links_forgotten", self._invitations.prune)

    async def notice_tokens(self, _context: Context, _job: Job) -> None:
        """Have those written to whose tokens expire soon."""
        await _told("tokens_noticed", self._post.notice_tokens)


async def _told(event: str, work: Callable[[], Awaitable[int]]) -> None:
    count = await work()
    if count:
        _log.info(event, extra={"count": count})
