"""The board of jobs, where the audit log has what people do with them."""

from typing import Final

from entrepot.domain.audit.model import Act, Author, Deed
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import Board, JobRow
from entrepot.platform.jobs.board import Verb

_ACTS: Final[dict[Verb, Act]] = {"cancel": Act.JOB_CANCEL, "retry": Act.JOB_RETRY, "drop": Act.JOB_DROP}


def board(db: Database, by: Author) -> Board:
    """Return the board for somebody: what they do is recorded as done by them."""

    async def note(tx: Transaction, verb: Verb, row: JobRow) -> None:
        await record(tx, by, Deed(_ACTS[verb], "", f"job {row.id}", {"kind": row.kind}))

    return Board(db, note)
