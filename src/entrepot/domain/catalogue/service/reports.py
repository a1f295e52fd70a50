"""Reports: whoever sees an image may say what is wrong with it, and who administers the hub decides.

It costs a row, and nobody has to say who they are: so a network may make ten in a quarter of an hour, all together three
hundred, and what was said already counts once.
"""

from typing import Final

from entrepot.base.addresses import network_of, shortened
from entrepot.domain.access.model import Action, Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.accounts.mails import Notice
from entrepot.domain.accounts.service.directory import tell_administrators
from entrepot.domain.accounts.service.invitations import count_asked
from entrepot.domain.accounts.service.throttle import Throttle
from entrepot.domain.audit.model import HUB, Act, Author, Deed
from entrepot.domain.audit.service.acting import Acting
from entrepot.domain.audit.service.recording import record
from entrepot.domain.catalogue.errors import ReportInvalid, ReportsFull, ReportUnknown
from entrepot.domain.catalogue.model import LONGEST_REPORT, Reason, Report, ReportState
from entrepot.domain.catalogue.queries import reports
from entrepot.domain.registry.service import within
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import RepositoryName

MOST_OPEN: Final = 5000
_MOST_ASKED: Final = 300  # by everybody, in a quarter of an hour
_ENDLESS: Final = (1 << 63) - 1
_ACTS: Final = {
    ReportState.OPEN: Act.REPORT_REOPEN,
    ReportState.SETTLED: Act.REPORT_SETTLE,
    ReportState.REJECTED: Act.REPORT_REJECT,
}


class Reports(Acting):
    """All reports."""

    def __init__(self, db: Database, rule: Rule, by: Author = HUB, *, mails: bool = False) -> None:
        """With `mails` administrators are written to when a report comes and no other one waits."""
        super().__init__(by)
        self._mails = mails
        self._db = db
        self._rule = rule
        self._throttle = Throttle(db, "report", _MOST_ASKED)

    async def make(self, actor: Actor, name: RepositoryName, said: tuple[Reason, str], client: str) -> None:
        """Say what is wrong with an image, by a reason and in words; `client` is the address that it comes from.

        Raises:
            ReportInvalid, ReportsFull, Renamed, RepositoryUnknown, TooManyAsked, Unproven
        """
        reason, words = said[0], said[1].strip()
        if not words or len(words) > LONGEST_REPORT:
            raise ReportInvalid(most=LONGEST_REPORT)
        await self._rule.require(actor, Action.PULL, name)
        # Those who have not signed in share one count, and take no place from those who have.
        await count_asked(self._throttle, f"account {actor.account}" if actor.account else "", network_of(client))
        network = shortened(client)  # what is kept for long tells no address
        most = MOST_OPEN if actor.account else MOST_OPEN // 2
        if await self._db.read(reports.count, ReportState.OPEN, most) >= most:
            raise ReportsFull
        reporter = actor.name if actor.account else ""

        async def add(tx: Transaction) -> None:
            await within.kept_id(tx, name)
            if not await reports.is_said(tx, name.stored, reporter, network):
                if self._mails and not await reports.count(tx, ReportState.OPEN, 1):
                    await tell_administrators(tx, Notice.REPORTED, {"repository": name.stored})
                await reports.add(tx, name.stored, (reason, words), reporter, network)

        await self._db.write(add)

    async def page(self, state: ReportState, before: int = _ENDLESS, limit: int = 50) -> list[Report]:
        """Return reports in a state, the newest first, whose ids are below `before`."""
        return await self._db.read(reports.part, state, before, limit)

    async def find(self, id_: int) -> Report:
        """Return a report. Raises ReportUnknown."""
        found = await self._db.read(reports.one, id_)
        if found is None:
            raise ReportUnknown(report=id_)
        return found

    async def count_open(self, most: int) -> int:
        """Return how many reports nobody has decided about; no more than `most` are counted."""
        return await self._db.read(reports.count, ReportState.OPEN, most)

    async def decide(self, id_: int, state: ReportState, note: str) -> None:
        """Settle or reject a report, or open it again, with a note why. Raises ReportInvalid, ReportUnknown."""
        report, note = await self.find(id_), note.strip()
        if len(note) > LONGEST_REPORT:
            raise ReportInvalid(most=LONGEST_REPORT)

        async def decide(tx: Transaction) -> None:
            if await reports.decide(tx, id_, state, note, self._by.name):
                namespace = report.repository.partition("/")[0]
                details = {"report": id_, "reason": report.reason.value, "note": note}
                await record(tx, self._by, Deed(_ACTS[state], namespace, report.repository, details))

        await self._db.write(decide)
