"""Filling a hub: people first, then their images version by version, each older than the next, and what others do with them."""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from entrepot.app.demo.images import INDEX, MANIFEST, Built, build, index
from entrepot.app.demo.readmes import readme
from entrepot.app.demo.stock import BADGES, ORGANISATIONS, PEOPLE, STOCK, Stock
from entrepot.app.parts import Parts
from entrepot.app.search import looking
from entrepot.base.clock import seconds_us
from entrepot.base.errors import EntrepotError
from entrepot.base.settings import Settings
from entrepot.domain.access.model import Actor
from entrepot.domain.accounts.errors import NameTaken
from entrepot.domain.accounts.model import Place
from entrepot.domain.accounts.service.organisations import Organisations
from entrepot.domain.catalogue.model import Badge
from entrepot.domain.catalogue.service.kinds import Kinds
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.domain.registry.model import Daily, Puller
from entrepot.domain.registry.service.uploads import Body
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.manifest import parse
from entrepot.spec.oci.names import RepositoryName

_DAY_S: Final = 86_400
_BETWEEN_DAYS: Final = 24  # two versions
_DAYS: Final = 90
_WEEKEND: Final = 0.55
_ROBOTS: Final = 0.6
_PEOPLE: Final = 0.15
_TAGGED: Final = 7  # days of pulls that are counted by tag


class HubInUse(EntrepotError):
    """There is something in the hub already."""

    summary = "this hub has images already: the demo fills an empty one. Say --anyway to add the demo's images beside them"


async def fill(
    settings: Settings, parts: Parts, *, anyway: bool, say: Callable[[str], None], stock: Sequence[Stock] = STOCK
) -> int:
    """Fill a hub; what is there already is left as it is. Return how many images were made.

    Raises:
        HubInUse, Unavailable
    """
    us = Actor("the demo")
    if not anyway and (await parts.registry.tags.catalogue(us, "", 1)).names:
        raise HubInUse
    await _people(parts)
    made = 0
    for each in stock:
        if (await parts.registry.tags.catalogue(us, _before(each.name), 1)).names != [each.name]:
            say(each.name)
            await _image(settings, parts, each)
            made += 1
    await parts.registry.pulls.note_leaders()
    return made


async def _people(parts: Parts) -> None:
    users, organisations = parts.accounts.users, parts.accounts.organisations
    for name in PEOPLE:
        await _unless_there(users.add(name, None))
    kinds = Kinds(parts.db, parts.accounts.rule)
    for name, (owner, *others) in ORGANISATIONS.items():
        is_new = await _unless_there(_organisation(organisations, name, owner, others))
        if is_new and name in BADGES:  # who was here before is not verified by a demo
            badge, checked = BADGES[name]
            await kinds.grant(name, Badge(badge), checked)


async def _organisation(organisations: Organisations, name: str, owner: str, others: list[str]) -> None:
    await organisations.add(name, owner)
    for each in others:
        await organisations.set_member(name, each, Place.MEMBER)


async def _unless_there(adding: Awaitable[object]) -> bool:
    try:
        await adding
    except NameTaken:
        return False
    return True


async def _image(settings: Settings, parts: Parts, stock: Stock) -> None:
    name, actor = RepositoryName.parse(stock.name), Actor(stock.by)
    versions = stock.versions or ("",)
    digests = []
    for number, version in enumerate(versions):
        built = [build(stock, version, platform) for platform in stock.platforms]
        digests += await _push(parts, name, actor, stock, version, built)
        days = _BETWEEN_DAYS if number < len(versions) - 1 else stock.age_days
        await parts.registry.backdating.shift(name, seconds_us(days * _DAY_S))
    rooms = parts.registry.repositories
    await rooms.describe(actor, name, description=stock.about[:100], readme=readme(stock, stock.versions))
    if stock.private:
        await rooms.set_visibility(actor, name, public=False)
    await Kinds(parts.db, parts.accounts.rule).shelve(actor, name, stock.categories)
    await _liked(parts, name, stock)
    await _pulled(parts, stock, digests[-len(stock.platforms) :])
    await looking(settings, parts).look_behind(0)


async def _push(parts: Parts, name: RepositoryName, actor: Actor, stock: Stock, version: str, built: list[Built]) -> list[str]:
    """Push the images of a version and their index, under all tags that it is known by; return the digests of the images."""
    for each in built:
        for blob in each.blobs:
            await _blob(parts, name, actor, blob)
    tags = _tags(stock, version)
    manifests = [parse(MANIFEST, each.manifest) for each in built]
    for manifest in manifests:
        await parts.registry.manifests.push(actor, name, manifest, None, [] if len(built) > 1 else tags)
    if len(built) > 1:
        await parts.registry.manifests.push(actor, name, parse(INDEX, index(stock, version, built)), None, tags)
    return [str(each.digest) for each in manifests]


async def _blob(parts: Parts, name: RepositoryName, actor: Actor, content: bytes) -> None:
    digest, uploads = Digest.of(content), parts.registry.uploads
    upload = await uploads.start(actor, name, digest.algorithm, size_bytes=len(content))
    await uploads.finish_whole(actor, name, upload.id, digest, Body(_whole(content), size_bytes=len(content)))


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _tags(stock: Stock, version: str) -> list[str]:
    """Return what a version is called: itself, the parts of it that move, and `latest` of what is no release candidate."""
    if not version:
        return ["latest"]
    if "-" in version:
        return [version]
    parts = version.split(".")
    tags = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return [*tags, f"{version}-{stock.base}", "latest", *stock.extra_tags[-1:]]


async def _liked(parts: Parts, name: RepositoryName, stock: Stock) -> None:
    stars = Stars(parts.db, parts.accounts.rule)
    for person in random.Random(stock.name).sample(PEOPLE, stock.fans):
        account = await parts.accounts.users.find(person)
        await stars.give(Actor(person, account=account.id), name)


async def _pulled(parts: Parts, stock: Stock, digests: list[str]) -> None:
    """Write pulls of the last ninety days, fewer on weekends and further back."""
    drawn = random.Random(stock.name)
    today = int(time.time()) // _DAY_S
    pulls = parts.registry.pulls
    days: list[tuple[Daily, int]] = []
    tagged = 0
    for back in range(_DAYS - 1, -1, -1):
        share = 1 - back / _DAYS * drawn.uniform(0.4, 0.8)
        weekday = (today - back + 3) % 7
        of_day = int(stock.daily * share * drawn.uniform(0.8, 1.2) * (_WEEKEND if weekday > 4 else 1))  # noqa: PLR2004 - Saturday
        tagged += of_day if back < _TAGGED else 0
        for digest, of_image in zip(digests, (1.0, 0.25, 0.05, 0.02), strict=False):
            for who, part in ((Puller.ROBOT, _ROBOTS), (Puller.PERSON, _PEOPLE), (Puller.ANYONE, 1 - _ROBOTS - _PEOPLE)):
                count = int(of_day * of_image * part)
                if count:
                    days.append((Daily(stock.name, today - back, digest, who.value), count))
    tags = {"latest": tagged // 2, **({stock.versions[-1]: tagged // 3} if stock.versions else {})}
    await pulls.add_past(days, {(stock.name, tag): count for tag, count in tags.items() if count})


def _before(name: str) -> str:
    """Return what stands just before a name in byte order."""
    return name[:-1] + chr(ord(name[-1]) - 1) + "~"
