"""Recording an act, in the transaction that causes it: either both are there afterwards, or neither is."""

from entrepot.domain.audit.chain import marked
from entrepot.domain.audit.model import Author, Deed
from entrepot.domain.audit.queries import events
from entrepot.platform.db.database import Transaction


async def record(tx: Transaction, by: Author, deed: Deed) -> None:
    """Write down who did what. It awaits nothing but its transaction."""
    await events.add(tx, by, deed, marked(by.origin.address))
