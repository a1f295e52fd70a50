"""Statements about what was read in images."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select

from entrepot.domain.catalogue.model import Image, Unlooked, Variant
from entrepot.domain.catalogue.tables import image
from entrepot.domain.registry.tables import manifest, manifest_reference, repository, tag
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import ListStatement, Row, Statement

_UNSEEN: Final[ColumnElement[bool]] = image.c.manifest.is_(None)
_CHILD: Final = manifest_reference.alias("child")
_OF_CHILD: Final = manifest.alias("child_manifest")


def _unlooked() -> Select[Any]:
    return (
        select(
            manifest.c.id,
            repository.c.id,
            repository.c.name,
            manifest.c.media_type,
            manifest.c.content,
            manifest_reference.c.digest,
        )
        .select_from(
            manifest.join(repository, repository.c.id == manifest.c.repository)
            .outerjoin(image, image.c.manifest == manifest.c.id)
            .outerjoin(
                manifest_reference,
                and_(manifest_reference.c.manifest == manifest.c.id, manifest_reference.c.kind == "config"),
            )
        )
        .where(_UNSEEN)
    )


_OF_IDS: Final = ListStatement(lambda values: _unlooked().where(manifest.c.id.in_(values)))
_AFTER: Final = Statement(
    select(manifest.c.id)
    .select_from(manifest.outerjoin(image, image.c.manifest == manifest.c.id))
    .where(manifest.c.id > bindparam("after"), manifest.c.id <= bindparam("end"), _UNSEEN)
    .order_by(manifest.c.id)
    .limit(bindparam("limit"))
)
_LAST: Final = Statement(select(func.max(manifest.c.id)))
_ADD: Final = Statement(
    insert_unless_there(
        image,
        [image.c.manifest],
        manifest=bindparam("manifest"),
        platform=bindparam("platform"),
        download_bytes=bindparam("download_bytes"),
        runs_as=bindparam("runs_as"),
        labels=bindparam("labels"),
        looked_at=now_us(),
    )
)
_LOCK: Final = Statement(select(manifest.c.id).where(manifest.c.id == bindparam("id")).with_for_update(read=True, key_share=True))
_OWN: Final = ListStatement(
    lambda values: (
        select(manifest.c.id, image.c.platform, manifest.c.digest, image.c.download_bytes)
        .select_from(manifest.join(image, image.c.manifest == manifest.c.id))
        .where(manifest.c.id.in_(values))
    )
)
_CHILDREN: Final = ListStatement(
    lambda values: (
        select(_CHILD.c.manifest, image.c.platform, _OF_CHILD.c.digest, image.c.download_bytes)
        .select_from(
            _CHILD.join(
                _OF_CHILD, and_(_OF_CHILD.c.repository == _CHILD.c.repository, _OF_CHILD.c.digest == _CHILD.c.digest)
            ).join(image, image.c.manifest == _OF_CHILD.c.id)
        )
        .where(_CHILD.c.manifest.in_(values), _CHILD.c.kind == "child")
    )
)
_PLATFORMS: Final = ListStatement(
    lambda values: (
        select(manifest.c.digest, image.c.platform)
        .select_from(manifest.join(image, image.c.manifest == manifest.c.id))
        .where(manifest.c.repository == bindparam("repository"), manifest.c.digest.in_(values))
    )
)
_SHOWN: Final = select(tag.c.manifest, tag.c.name).where(tag.c.repository == bindparam("repository"))
_LATEST: Final = Statement(_SHOWN.where(tag.c.name == "latest"))
_NEWEST: Final = Statement(_SHOWN.order_by(tag.c.pushed_at.desc(), tag.c.name.desc()).limit(1))
_ONE: Final = Statement(
    select(image.c.manifest, image.c.platform, image.c.download_bytes, image.c.runs_as, image.c.labels).where(
        image.c.manifest == bindparam("manifest")
    )
)


async def unlooked(db: Reader, ids: Sequence[int]) -> list[Unlooked]:
    """Return those of these manifests that nobody has looked into."""
    return [_found(row) for row in await db.all_of(_OF_IDS, ids)]


async def unlooked_after(db: Reader, after: int, window: int, limit: int) -> tuple[list[int], int | None]:
    """Return manifests behind an id that nobody has looked into, at most `limit`, of the next `window` ids.

    The second value is up to where that is complete, None where there are no manifests behind.
    """
    found = [row[0] for row in await db.all(_AFTER, after=after, end=after + window, limit=limit)]
    if len(found) == limit:
        return found, found[-1]
    last = await db.one(_LAST)
    behind = after + window if last and last[0] and last[0] > after + window else None
    return found, found[-1] if found and behind is None else behind


async def add(tx: Transaction, found: Image) -> None:
    """Store what was read of a manifest; nothing for one that was deleted meanwhile, or that others were quicker with."""
    if await tx.one(_LOCK, id=found.manifest) is None:
        return
    await tx.run(
        _ADD,
        manifest=found.manifest,
        platform=found.platform,
        download_bytes=found.download_bytes,
        runs_as=found.runs_as,
        labels=msgspec.json.encode(found.labels).decode(),
    )


async def variants(db: Reader, manifests: Sequence[int]) -> dict[int, list[Variant]]:
    """Return what manifests hold for each platform: themselves, or the images of an index; those that are known."""
    found: dict[int, list[Variant]] = {}
    for statement in (_OWN, _CHILDREN):
        for id_, platform, digest, size in await db.all_of(statement, manifests):
            if platform and not platform.startswith("unknown"):
                found.setdefault(id_, []).append(Variant(platform, digest, size))
    return {id_: sorted(each, key=lambda variant: variant.platform) for id_, each in found.items()}


async def platforms(db: Reader, repository_: int, digests: Sequence[str]) -> dict[str, str]:
    """Return for which platforms images of a repository are."""
    return {row[0]: row[1] for row in await db.all_of(_PLATFORMS, digests, repository=repository_) if row[1]}


async def shown(db: Reader, repository_: int) -> tuple[int, str] | None:
    """Return the manifest and the name of the tag that stands for a repository: `latest`, else the one that was pushed last."""
    row = await db.one(_LATEST, repository=repository_) or await db.one(_NEWEST, repository=repository_)
    return (row[0], row[1]) if row else None


async def one(db: Reader, manifest_: int) -> Image | None:
    """Return what was read of a manifest."""
    row = await db.one(_ONE, manifest=manifest_)
    if row is None:
        return None
    id_, platform, download_bytes, runs_as, labels = row
    return Image(id_, platform, download_bytes, runs_as, msgspec.json.decode(labels, type=dict[str, str]))


def _found(row: Row) -> Unlooked:
    id_, repository_, name, kind, content, config = row
    return Unlooked(id_, repository_, name, kind, bytes(content), config or "")
