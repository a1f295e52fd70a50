"""The pages of an image: its overview, its tags, and one tag."""

import asyncio
from collections import Counter
from typing import Final

import msgspec
from markupsafe import Markup

from entrepot.base.clock import now_us
from entrepot.domain.access.model import Actor
from entrepot.domain.catalogue.model import Category, Kind
from entrepot.domain.registry.errors import ManifestUnknown
from entrepot.domain.registry.model import About, Puller, TagDetail, TagGroup, TagMove, TagOrder
from entrepot.domain.registry.service import Registry
from entrepot.domain.registry.service.pulls import DAY_US
from entrepot.domain.registry.versions import figures, is_candidate
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName, parse_tag
from entrepot.web.hub.charts import Chart, chart
from entrepot.web.hub.contents import Contents, contents
from entrepot.web.hub.pages.cards import Card
from entrepot.web.hub.readme import rendered
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.hub.shop import Shop
from entrepot.web.hub.signals import Facts, Signal, signals, warnings
from entrepot.web.shared.call import Answer, Call

LATEST: Final = "latest"
_GROUPS: Final = 25
_DAYS: Final = 90
_PLATFORMS: Final = 50  # images, of whose pulls the platforms are told
_LISTED: Final = 5
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


class Pulls(msgspec.Struct, frozen=True):
    """Pulls of ninety days: the sum of each kind of puller, the chart, the days with their sums, and the platforms."""

    total: int
    people: int
    robots: int
    chart: Chart
    first_at: int
    days: list[tuple[int, int]]
    platforms: list[tuple[str, int]]


class OverviewPage(msgspec.Struct, frozen=True):
    """How an image is pulled and what it says of itself; `exact` is a tag that names the same as `latest`, and will go on to.

    `newer` is a version that is newer than what is shown, `is_all` tells that all tags were looked at for that. `pulls` are
    those of the last days, by kind of puller, with the chart of them.
    """

    sight: Sight
    exact: str
    newer: str
    is_all: bool
    readme: Markup
    tools: list[tuple[str, str, bool]]
    signals: list[Signal]
    warnings: list[Signal]
    pulls: Pulls
    categories: list[Category]
    has_star: bool


class TagPage(msgspec.Struct, frozen=True):
    """One tag: what it points at, which other tags do, where it pointed, and what refers to it."""

    sight: Sight
    tag: TagDetail
    contents: Contents
    also: list[str]
    is_all: bool
    moves: list[TagMove]
    referrers: list[tuple[str, str, int]]


async def overview(call: Call, registry: Registry, shop: Shop, frame: Frame, name: RepositoryName) -> Answer:
    """GET /r/NAME: what the image is, and how it is pulled."""
    card, about = await card_of(registry, shop, call.actor, name)
    groups, more = await registry.tag_lists.groups(call.actor, name, TagOrder.VERSION, "", "", _GROUPS)
    shown = await _shown(registry, shop, call.actor, name, card.id)
    inside = await contents(registry, call.actor, name, Digest.parse(shown.digest)) if shown else None
    sight = Sight(card, f"{frame.host}/{card.name}", about.archived_at is not None, "overview", shown, inside)
    same = next((each.names for each in groups if shown and each.first.digest == shown.digest), [])
    exact = _exact(same)
    tools = _tools(f"{sight.reference}:{exact or (shown.name if shown else LATEST)}", card.name)
    readme = await asyncio.to_thread(rendered, about.readme)  # as it may take long, and pulls are answered by this loop
    pulls = await _pulls(registry, shop, card.id)
    found = signals(_facts(sight, about, groups, pulls.total)) if shown else []
    known = {each.name: each for each in await shop.kinds.categories()} if card.categories else {}
    return page(
        call,
        frame,
        "overview.html",
        OverviewPage(
            sight,
            exact,
            _newer(exact, same, groups),
            not more,
            readme,
            tools,
            found,
            warnings(found) if card.kind is Kind.COMMUNITY and frame.is_curated else [],
            pulls,
            [known[each] for each in card.categories if each in known],
            await shop.stars.has(call.actor, name),
        ),
    )


async def tag(call: Call, registry: Registry, shop: Shop, frame: Frame, name: RepositoryName, wanted: str) -> Answer:
    """GET /r/NAME/-/tags/TAG: what a tag points at."""
    found = await registry.tags.detail(call.actor, name, parse_tag(wanted))
    card, about = await card_of(registry, shop, call.actor, name)
    digest = Digest.parse(found.digest)
    inside = await contents(registry, call.actor, name, digest, call.one("platform") or "")
    sight = Sight(card, f"{frame.host}/{card.name}", about.archived_at is not None, "tags", found, inside)
    others = await registry.tags.details(call.actor, name, "", _LOOKED_AT)
    also = [each.name for each in others if each.digest == found.digest and each.name != found.name]
    moves = await registry.tags.history(call.actor, name, found.name, _MOVES)
    listed, _ = await registry.manifests.referrers(call.actor, name, digest, None, 0)
    referrers = [(each.artifact_type or each.media_type, each.digest, each.size) for each in listed[:_LOOKED_AT]]
    return page(call, frame, "tag.html", TagPage(sight, found, inside, also, len(others) < _LOOKED_AT, moves, referrers))


async def card_of(registry: Registry, shop: Shop, actor: Actor, name: RepositoryName) -> tuple[Card, About]:
    """Return what stands in lists about an image, and what else is told of it. Raises RepositoryUnknown, Renamed, Unproven."""
    listed = await registry.listing.one(actor, name)
    ((_, shelved),) = await shop.shelves.of([listed])
    return Card.of(listed, shelved), await registry.repositories.find(actor, name)


async def _shown(registry: Registry, shop: Shop, actor: Actor, name: RepositoryName, id_: int) -> TagDetail | None:
    """Return the tag that the overview is about: `latest`, else the one that was pushed last."""
    found = await shop.shelves.shown(id_)
    if found is None:
        return None
    try:
        return await registry.tags.detail(actor, name, found[1])
    except ManifestUnknown:  # it was deleted in this moment
        return None


def _exact(same: list[str]) -> str:
    """Return the tag that names an image most exactly, of all that do: the longest with a figure in it."""
    named = [each for each in same if any(letter.isdigit() for letter in each)]
    return max(named, key=lambda name: (name.count("."), -name.count("-"), len(name)), default="")


def _newer(exact: str, same: list[str], groups: list[TagGroup]) -> str:
    """Return the newest version when it is newer than the one that is shown."""
    newest = next((each.first.name for each in groups if figures(each.first.name) and not is_candidate(each.first.name)), "")
    return newest if exact and newest not in same and figures(newest) > figures(exact) else ""


async def _pulls(registry: Registry, shop: Shop, id_: int) -> Pulls:
    """Return the pulls of the last ninety days."""
    today = now_us() // DAY_US
    sums, who = [0] * _DAYS, Counter[str]()
    for row in await registry.pulls.days(id_, _DAYS):
        if 0 <= (place := row.day - today + _DAYS - 1) < _DAYS:
            sums[place] += row.pulls
            who[row.who] += row.pulls
    images = dict(await registry.pulls.of_images(id_, _DAYS, _PLATFORMS))
    platforms = Counter[str]()
    for digest, platform in (await shop.shelves.platforms(id_, list(images))).items():
        platforms[platform] += images[digest]
    first = (today - _DAYS + 1) * DAY_US
    days = [(first + place * DAY_US, count) for place, count in enumerate(sums)]
    return Pulls(sum(sums), who[Puller.PERSON], who[Puller.ROBOT], chart(sums), first, days, platforms.most_common(_LISTED))


def _facts(sight: Sight, about: About, groups: list[TagGroup], pulls: int) -> Facts:
    names = [name for each in groups for name in each.names]
    configuration = sight.contents.configuration if sight.contents else None
    return Facts(
        pulls=pulls,
        stars=sight.card.stars,
        pushed_at=sight.card.pushed_at,
        words=len(about.readme.split()),
        source=sight.source,
        has_versions=any(figures(each) for each in names),
        only_latest=names == [LATEST],
        is_root=configuration.is_root if configuration else None,
    )


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
