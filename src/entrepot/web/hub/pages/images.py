"""The pages of an image: its overview, its tags, and one tag."""

import asyncio
from typing import Final

import msgspec
from markupsafe import Markup

from entrepot.domain.access.model import Actor
from entrepot.domain.registry.errors import ManifestUnknown
from entrepot.domain.registry.model import About, TagDetail, TagMove
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName, parse_tag
from entrepot.web.hub.contents import Contents, contents
from entrepot.web.hub.pages.cards import Card
from entrepot.web.hub.readme import rendered
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.shared.call import Answer, Call

LATEST: Final = "latest"
_TAGS_AT_ONCE: Final = 50
_LOOKED_AT: Final = 100  # tags, for those that name the same image
_MOVES: Final = 20
_SOURCE: Final = "org.opencontainers.image.source"
_LICENCES: Final = "org.opencontainers.image.licenses"


class Sight(msgspec.Struct, frozen=True):
    """What stands on top of every page of an image: `reference` is how it is pulled from here, without a tag."""

    card: Card
    reference: str
    is_archived: bool
    tab: str
    tag: TagDetail | None
    contents: Contents | None

    @property
    def source(self) -> str:
        """The address of the source repository that the image names, '' when it names none that can be opened."""
        said = self.contents.said(_SOURCE) if self.contents else ""
        return said if said.startswith(("https://", "http://")) else ""

    @property
    def licences(self) -> str:
        """The licences that the image names (SPDX)."""
        return self.contents.said(_LICENCES) if self.contents else ""


class OverviewPage(msgspec.Struct, frozen=True):
    """How an image is pulled and what it says of itself; `exact` is a tag that names the same as `latest`, and will go on to.

    `is_all` tells that all tags were looked at for that.
    """

    sight: Sight
    exact: str
    is_all: bool
    readme: Markup
    tools: list[tuple[str, str, bool]]


class TagsPage(msgspec.Struct, frozen=True):
    """Tags by name; `next_after` is the last of them when there are more."""

    sight: Sight
    tags: list[TagDetail]
    after: str
    next_after: str


class TagPage(msgspec.Struct, frozen=True):
    """One tag: what it points at, which other tags do, where it pointed, and what refers to it."""

    sight: Sight
    tag: TagDetail
    contents: Contents
    also: list[str]
    is_all: bool
    moves: list[TagMove]
    referrers: list[tuple[str, str, int]]


async def overview(call: Call, registry: Registry, frame: Frame, name: RepositoryName) -> Answer:
    """GET /r/NAME: what the image is, and how it is pulled."""
    card, about = await card_of(registry, call.actor, name)
    tags = await registry.tags.details(call.actor, name, "", _LOOKED_AT)
    shown = await _shown(registry, call.actor, name, tags)
    inside = await contents(registry, call.actor, name, Digest.parse(shown.digest)) if shown else None
    sight = Sight(card, f"{frame.host}/{card.name}", about.archived_at is not None, "overview", shown, inside)
    exact = _exact(shown, tags) if shown else ""
    tools = _tools(f"{sight.reference}:{exact or (shown.name if shown else LATEST)}", card.name)
    readme = await asyncio.to_thread(rendered, about.readme)  # as it may take long, and pulls are answered by this loop
    is_all = len(tags) < _LOOKED_AT
    return page(call, frame, "overview.html", OverviewPage(sight, exact, is_all, readme, tools))


async def tags(call: Call, registry: Registry, frame: Frame, name: RepositoryName) -> Answer:
    """GET /r/NAME/-/tags: all tags."""
    card, about = await card_of(registry, call.actor, name)
    after = call.one("after") or ""
    found = await registry.tags.details(call.actor, name, after, _TAGS_AT_ONCE + 1)
    more = found[_TAGS_AT_ONCE - 1].name if len(found) > _TAGS_AT_ONCE else ""
    sight = Sight(card, f"{frame.host}/{card.name}", about.archived_at is not None, "tags", None, None)
    return page(call, frame, "tags.html", TagsPage(sight, found[:_TAGS_AT_ONCE], after, more))


async def tag(call: Call, registry: Registry, frame: Frame, name: RepositoryName, wanted: str) -> Answer:
    """GET /r/NAME/-/tags/TAG: what a tag points at."""
    found = await registry.tags.detail(call.actor, name, parse_tag(wanted))
    card, about = await card_of(registry, call.actor, name)
    digest = Digest.parse(found.digest)
    inside = await contents(registry, call.actor, name, digest, call.one("platform") or "")
    sight = Sight(card, f"{frame.host}/{card.name}", about.archived_at is not None, "tags", found, inside)
    others = await registry.tags.details(call.actor, name, "", _LOOKED_AT)
    also = [each.name for each in others if each.digest == found.digest and each.name != found.name]
    moves = await registry.tags.history(call.actor, name, found.name, _MOVES)
    listed, _ = await registry.manifests.referrers(call.actor, name, digest, None, 0)
    referrers = [(each.artifact_type or each.media_type, each.digest, each.size) for each in listed[:_LOOKED_AT]]
    return page(call, frame, "tag.html", TagPage(sight, found, inside, also, len(others) < _LOOKED_AT, moves, referrers))


async def card_of(registry: Registry, actor: Actor, name: RepositoryName) -> tuple[Card, About]:
    """Return what stands in lists about an image, and what else is told of it. Raises RepositoryUnknown, Renamed, Unproven."""
    listed = await registry.listing.one(actor, name)
    return Card.of(listed), await registry.repositories.find(actor, name)


async def _shown(registry: Registry, actor: Actor, name: RepositoryName, some: list[TagDetail]) -> TagDetail | None:
    """Return the tag that the overview is about: `latest`, else the one that was pushed last of those that were looked at."""
    try:
        return await registry.tags.detail(actor, name, LATEST)
    except ManifestUnknown:
        return max(some, key=lambda each: each.pushed_at, default=None)


def _exact(shown: TagDetail, some: list[TagDetail]) -> str:
    """Return the tag that names the same image most exactly: the longest with a figure in it."""
    same = [each.name for each in some if each.digest == shown.digest and any(letter.isdigit() for letter in each.name)]
    return max(same, key=lambda name: (name.count("."), len(name)), default="")


def _tools(reference: str, name: str) -> list[tuple[str, str, bool]]:
    """Return for each tool what pulls the image with it, and whether that is several lines."""
    service = name.rpartition("/")[2].replace(".", "-").replace("_", "-")
    return [
        ("docker", f"docker pull {reference}", False),
        ("podman", f"podman pull {reference}", False),
        ("nerdctl", f"nerdctl pull {reference}", False),
        ("crane", f"crane pull {reference} {service}.tar", False),
        ("Compose", f"services:\n  {service}:\n    image: {reference}", True),
        ("Kubernetes", f"containers:\n  - name: {service}\n    image: {reference}", True),
    ]
