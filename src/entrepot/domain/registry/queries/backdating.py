"""Statements that let what is in a repository look older."""

from typing import Final

from sqlalchemy import bindparam, update

from entrepot.domain.registry.tables import manifest, repository, tag, tag_move
from entrepot.platform.db.columns import BIG
from entrepot.platform.db.database import Transaction
from entrepot.platform.db.statements import Statement

_BY: Final = bindparam("by", type_=BIG)
_OF: Final = bindparam("repository_", type_=BIG)
_REPOSITORY: Final = Statement(
    update(repository)
    .where(repository.c.id == _OF)
    .values(
        created_at=repository.c.created_at - _BY,
        first_pushed_at=repository.c.first_pushed_at - _BY,
        uploaded_at=repository.c.uploaded_at - _BY,
    )
)
_MANIFESTS: Final = Statement(update(manifest).where(manifest.c.repository == _OF).values(pushed_at=manifest.c.pushed_at - _BY))
_TAGS: Final = Statement(update(tag).where(tag.c.repository == _OF).values(pushed_at=tag.c.pushed_at - _BY))
_MOVES: Final = Statement(update(tag_move).where(tag_move.c.repository == _OF).values(moved_at=tag_move.c.moved_at - _BY))


async def shift(tx: Transaction, repository_: int, by_us: int) -> None:
    """Let a repository and all that is in it be older by that time."""
    for statement in (_REPOSITORY, _MANIFESTS, _TAGS, _MOVES):
        await tx.run(statement, repository_=repository_, by=by_us)
