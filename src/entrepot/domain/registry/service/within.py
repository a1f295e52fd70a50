"""What features above read and note of repositories, in reads and transactions of their own: permission was asked before."""

from collections.abc import Sequence

from entrepot.domain.registry.errors import RepositoryUnknown
from entrepot.domain.registry.model import Listed
from entrepot.domain.registry.queries import changes, listing, repositories
from entrepot.platform.db.database import Reader, Transaction
from entrepot.spec.oci.names import RepositoryName


async def repository_id(db: Reader, name: RepositoryName) -> int | None:
    """Return a repository's id."""
    return await repositories.repository_id(db, name.stored)


async def locked_id(tx: Transaction, name: RepositoryName) -> int:
    """Return a repository's id, which nobody else changes until the transaction ends. Raises RepositoryUnknown."""
    found = await repositories.lock(tx, name.stored)
    if found is None:
        raise RepositoryUnknown(repository=name.asked)
    return found.id


async def kept_id(tx: Transaction, name: RepositoryName) -> int:
    """Return a repository's id, which keeps its name until the transaction ends. Raises RepositoryUnknown."""
    found = await repositories.lock_id(tx, name.stored)
    if found is None:
        raise RepositoryUnknown(repository=name.asked)
    return found


async def note_change(tx: Transaction, repository: int) -> None:
    """Note that what is told of a repository is changed by this transaction: search follows it."""
    await changes.note(tx, repository)


async def note_changes(tx: Transaction, namespace: str) -> None:
    """Note the same of all repositories of a namespace."""
    await changes.note_in(tx, namespace)


async def listed(db: Reader, ids: Sequence[int]) -> dict[int, Listed]:
    """Return those of these repositories that are listed, by id."""
    return await listing.of_ids(db, ids)


async def listed_by_name(db: Reader, names: Sequence[str]) -> list[Listed]:
    """Return those of these repositories that are listed, in the order of their names."""
    return await listing.of_names(db, names)
