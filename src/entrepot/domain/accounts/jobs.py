"""The jobs of accounts."""

import logging
from typing import Final

from entrepot.domain.accounts.events import ForgetFailures
from entrepot.domain.accounts.service.throttle import Throttle
from entrepot.platform.jobs import Context, Job, Kind, Schedule

_log: Final = logging.getLogger(__name__)
FORGETTING: Final = Schedule("forget-failures", 3600, ForgetFailures())


class AccountJobs:
    """The handlers, one for each kind of job."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle

    def kinds(self) -> list[Kind]:
        """List what can be done."""
        return [Kind(ForgetFailures, self.forget_failures)]

    async def forget_failures(self, _context: Context, _job: Job) -> None:
        """Delete what no window counts any more."""
        forgotten = await self._throttle.prune()
        if forgotten:
            _log.info("failures_forgotten", extra={"subjects": forgotten})
