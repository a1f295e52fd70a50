"""Tags as Docker Hub shows them."""

from datetime import datetime
from typing import Final, Literal, Self

from entrepot.domain.access.model import Action
from entrepot.domain.registry.model import TagDetail
from entrepot.spec.oci.names import parse_tag
from entrepot.web.api.asking import Asking
from entrepot.web.api.hub.paging import HubPage, Paging, hub_page
from entrepot.web.api.models import Segment, Shown, instant, repository_name
from entrepot.web.api.routing import Noun

_noun: Final = Noun("docker hub", "/v2")
_ONE: Final = "/repositories/{namespace}/{repository}/tags"
_OTHER: Final = "/namespaces/{namespace}/repositories/{repository}/tags"


class HubImage(Shown):
    """What a tag points at; for which machine it is stands in its configuration, and is not read here."""

    architecture: str = ""
    features: str = ""
    variant: str | None = None
    os: str = ""
    os_features: str = ""
    os_version: str | None = None
    digest: str
    size: int
    status: Literal["active"] = "active"
    last_pushed: datetime


class HubTag(Shown):
    """A tag."""

    name: str
    digest: str
    media_type: str
    content_type: Literal["image"] = "image"
    full_size: int
    last_updated: datetime
    last_updater_username: str
    tag_last_pushed: datetime
    tag_status: Literal["active"] = "active"
    v2: Literal[True] = True
    images: list[HubImage]

    @classmethod
    def of(cls, found: TagDetail) -> Self:
        """Return what is shown of it."""
        pushed_at = instant(found.pushed_at)
        return cls(
            name=found.name,
            digest=found.digest,
            media_type=found.media_type,
            full_size=found.size,
            last_updated=pushed_at,
            last_updater_username=found.pushed_by,
            tag_last_pushed=pushed_at,
            images=[HubImage(digest=found.digest, size=found.size, last_pushed=pushed_at)],
        )


@_noun.get(_ONE)
@_noun.get(_OTHER, name="hub_list_tags_of")
async def hub_list_tags(asked: Asking, namespace: Segment, repository: Segment, paging: Paging) -> HubPage[HubTag]:
    """List the tags of a repository."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)

    async def fetch(last: str, limit: int) -> tuple[list[TagDetail], bool]:
        found = await asked.verbs.registry.tags.details(asked.actor, name, last, limit + 1)
        return found[:limit], len(found) > limit

    return await hub_page(paging, fetch, lambda each: each.name, HubTag.of)


@_noun.get(f"{_ONE}/{{tag}}")
@_noun.get(f"{_OTHER}/{{tag}}", name="hub_get_tag_of")
async def hub_get_tag(asked: Asking, namespace: Segment, repository: Segment, tag: Segment) -> HubTag:
    """Show a tag; HEAD tells whether it is there."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)
    return HubTag.of(await asked.verbs.registry.tags.detail(asked.actor, name, parse_tag(tag)))


@_noun.delete(f"{_ONE}/{{tag}}")
@_noun.delete(f"{_OTHER}/{{tag}}", name="hub_delete_tag_of")
async def hub_delete_tag(asked: Asking, namespace: Segment, repository: Segment, tag: Segment) -> None:
    """Delete a tag; what it points at stays, and other tags do."""
    name, tag = repository_name(namespace, repository), parse_tag(tag)
    await asked.verbs.permits.in_repository(asked.actor, Action.DELETE, name, [tag])
    await asked.verbs.registry.tags.delete(asked.actor, name, tag)
