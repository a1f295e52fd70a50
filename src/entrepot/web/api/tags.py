"""Tags: listing and deleting them, and the record of their moves."""

from datetime import datetime
from typing import Final, Self

from entrepot.domain.access.model import Action
from entrepot.domain.registry.model import TagDetail, TagMove
from entrepot.spec.oci.names import parse_tag
from entrepot.web.api.asking import Asking
from entrepot.web.api.models import After, FewerLimit, Limit, Page, Segment, Shown, instant, paged, repository_name
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("tags", f"{PREFIX}/repositories/{{namespace}}/{{repository}}/tags")


class Tag(Shown):
    """A tag and what it points at; `size_bytes` is that of the manifest and of what it names, of an index without its images."""

    name: str
    digest: str
    media_type: str
    artifact_type: str | None
    size_bytes: int
    pushed_by: str
    pushed_at: datetime

    @classmethod
    def of(cls, found: TagDetail) -> Self:
        """Return what is shown of it."""
        return cls(
            name=found.name,
            digest=found.digest,
            media_type=found.media_type,
            artifact_type=found.artifact_type or None,
            size_bytes=found.size,
            pushed_by=found.pushed_by,
            pushed_at=instant(found.pushed_at),
        )


class Move(Shown):
    """One move of a tag: null stands for not being there."""

    from_digest: str | None
    to_digest: str | None
    by: str
    moved_at: datetime

    @classmethod
    def of(cls, found: TagMove) -> Self:
        """Return what is shown of it."""
        moved_at = instant(found.moved_at)
        return cls(from_digest=found.from_digest, to_digest=found.to_digest, by=found.actor, moved_at=moved_at)


@_noun.get("")
async def list_tags(
    asked: Asking, namespace: Segment, repository: Segment, after: After = "", limit: FewerLimit = 100
) -> Page[Tag]:
    """List the tags of a repository by name."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)
    found = await asked.verbs.registry.tags.details(asked.actor, name, after, limit + 1)
    return paged(found, limit, Tag.of, lambda tag: tag.name)


@_noun.get("/{tag}")
async def get_tag(asked: Asking, namespace: Segment, repository: Segment, tag: Segment) -> Tag:
    """Show a tag."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)
    return Tag.of(await asked.verbs.registry.tags.detail(asked.actor, name, parse_tag(tag)))


@_noun.delete("/{tag}")
async def delete_tag(asked: Asking, namespace: Segment, repository: Segment, tag: Segment) -> None:
    """Delete a tag; what it points at stays, and other tags do."""
    name, tag = repository_name(namespace, repository), parse_tag(tag)
    await asked.verbs.permits.in_repository(asked.actor, Action.DELETE, name, [tag])
    await asked.verbs.registry.tags.delete(asked.actor, name, tag)


@_noun.get("/{tag}/history")
async def get_tag_history(asked: Asking, namespace: Segment, repository: Segment, tag: Segment, limit: Limit = 100) -> Page[Move]:
    """Show the last moves of a tag, newest first."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)
    found = await asked.verbs.registry.tags.history(asked.actor, name, parse_tag(tag), limit)
    return Page(items=[Move.of(each) for each in found])
