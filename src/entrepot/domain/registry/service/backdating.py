"""Letting what is in a repository look older: for a hub that is filled to be looked at, and for nothing else."""

from entrepot.domain.registry.queries import backdating
from entrepot.domain.registry.service import within
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import RepositoryName


class Backdating:
    """Moves times into the past; who may is decided above: a command alone does it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def shift(self, name: RepositoryName, by_us: int) -> None:
        """Let a repository and all that is in it be older by that time. Raises RepositoryUnknown."""

        async def older(tx: Transaction) -> None:
            id_ = await within.locked_id(tx, name)
            await backdating.shift(tx, id_, by_us)
            await within.note_change(tx, id_)

        await self._db.write(older)
