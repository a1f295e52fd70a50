"""The jobs of the audit log. The sequencer is none: it must not wait for a place among others."""

import logging
from typing import Final

from entrepot.domain.audit.events import LookAfterOldRows, SignHead
from entrepot.domain.audit.service.anchors import Anchors
from entrepot.domain.audit.service.upkeep import Upkeep
from entrepot.platform.jobs import Context, Job, Kind, Schedule

_log: Final = logging.getLogger(__name__)
_SIGNED_EVERY_S: Final = 3600
_LOOKED_AFTER_EVERY_S: Final = 24 * 3600


class AuditJobs:
    """The handlers, one for each kind of job; 0 days or months mean for ever."""

    def __init__(self, anchors: Anchors, upkeep: Upkeep, *, address_days: int, keep_months: int) -> None:
        self._anchors = anchors
        self._upkeep = upkeep
        self._address_days = address_days
        self._keep_months = keep_months

    def kinds(self) -> list[Kind]:
        """List what can be done."""
        return [Kind(SignHead, self.sign_head), Kind(LookAfterOldRows, self.look_after_old_rows)]

    def schedules(self) -> list[Schedule]:
        """List what is done by itself."""
        return [
            Schedule("audit-sign", _SIGNED_EVERY_S, SignHead()),
            Schedule("audit-old", _LOOKED_AFTER_EVERY_S, LookAfterOldRows()),
        ]

    async def sign_head(self, _context: Context, _job: Job) -> None:
        """Sign it, if it has moved."""
        await self._anchors.make()

    async def look_after_old_rows(self, context: Context, _job: Job) -> None:
        """Cut, then prune."""
        cut = await self._upkeep.cut_addresses(self._address_days, context.rest) if self._address_days else 0
        pruned = await self._upkeep.prune(self._keep_months, rest=context.rest) if self._keep_months else 0
        if cut or pruned:
            _log.info("audit_looked_after", extra={"addresses_cut": cut, "rows_pruned": pruned})
