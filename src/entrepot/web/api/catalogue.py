"""The catalogue: badges and categories, the categories of a repository, and stars."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import Field

from entrepot.domain.access.errors import Unproven
from entrepot.domain.access.model import Action
from entrepot.domain.catalogue.model import MOST_CATEGORIES, Badge, Granted
from entrepot.domain.catalogue.model import Category as Found
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.credentials import require_no_token
from entrepot.web.api.models import Page, Segment, Sent, Shown, instant, repository_name
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("catalogue", PREFIX)
_Name = Annotated[str, Field(max_length=40)]


class GrantedBadge(Shown):
    """A badge of an organisation, and what was checked before it was granted."""

    namespace: str
    badge: Badge
    checked: str
    granted_by: str
    granted_at: datetime

    @classmethod
    def of(cls, found: Granted) -> Self:
        """Return what is shown of it."""
        return cls(
            namespace=found.namespace,
            badge=found.kind,
            checked=found.checked,
            granted_by=found.granted_by,
            granted_at=instant(found.granted_at),
        )


class NewBadge(Sent):
    """What was checked before a badge is granted."""

    checked: Annotated[str, Field(max_length=1000)]


class Category(Shown):
    """A category, with its title in each language; a lower rank comes first."""

    name: str
    english: str
    french: str
    rank: int


class NewCategory(Sent):
    """What a category is to be called, and where it stands."""

    english: Annotated[str, Field(max_length=60)]
    french: Annotated[str, Field(max_length=60)]
    rank: Annotated[int, Field(ge=0, le=1_000_000)] = 1000


class Shelf(Sent):
    """The categories of a repository, at most three."""

    categories: Annotated[tuple[_Name, ...], Field(max_length=MOST_CATEGORIES, strict=False)]


class ShownShelf(Shown):
    """The categories of a repository."""

    categories: list[str]


class Star(Shown):
    """Whether whoever asks gave a repository a star, and how many it has."""

    starred: bool
    stars: int


@_noun.get("/badges")
async def list_badges(asked: Asking) -> Page[GrantedBadge]:
    """List all badges, with what was checked before they were granted. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    return Page(items=[GrantedBadge.of(each) for each in await asked.verbs.kinds.granted()])


@_noun.put("/badges/{namespace}/{badge}")
async def grant_badge(asked: Asking, namespace: Segment, badge: Badge, body: NewBadge) -> None:
    """Grant an organisation a badge, or say anew what was checked. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    require_no_token(asked)
    await asked.verbs.kinds.grant(namespace, badge, body.checked)


@_noun.delete("/badges/{namespace}/{badge}")
async def revoke_badge(asked: Asking, namespace: Segment, badge: Badge) -> None:
    """Take a badge away. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    require_no_token(asked)
    await asked.verbs.kinds.revoke(namespace, badge)


@_noun.get("/categories")
async def list_categories(asked: Asking) -> Page[Category]:
    """List the categories by which images are found, in their order. For everybody."""
    found = await asked.verbs.kinds.categories()
    return Page(items=[Category(name=each.name, english=each.english, french=each.french, rank=each.rank) for each in found])


@_noun.put("/categories/{category}")
async def set_category(asked: Asking, category: Segment, body: NewCategory) -> None:
    """Make a category, or replace the one of that name. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    require_no_token(asked)
    await asked.verbs.kinds.put_category(Found(category, body.english, body.french, body.rank), body.rank)


@_noun.delete("/categories/{category}")
async def delete_category(asked: Asking, category: Segment) -> None:
    """Delete a category; images are taken off it. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    require_no_token(asked)
    await asked.verbs.kinds.drop_category(category)


@_noun.get("/repositories/{namespace}/{repository}/categories")
async def get_shelf(asked: Asking, namespace: Segment, repository: Segment) -> ShownShelf:
    """Show the categories of a repository."""
    name = repository_name(namespace, repository)
    await _seen(asked, name)
    return ShownShelf(categories=list(await asked.verbs.kinds.of(name)))


@_noun.put("/repositories/{namespace}/{repository}/categories")
async def set_shelf(asked: Asking, namespace: Segment, repository: Segment, body: Shelf) -> None:
    """Put a repository into these categories and no others. For those who may describe it."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.DESCRIBE, name)
    await asked.verbs.kinds.shelve(asked.actor, name, body.categories)


@_noun.get("/repositories/{namespace}/{repository}/star")
async def get_star(asked: Asking, namespace: Segment, repository: Segment) -> Star:
    """Tell whether whoever asks gave a repository a star, and how many it has."""
    name = repository_name(namespace, repository)
    await _seen(asked, name)
    ((_, shelved),) = await asked.verbs.shelves.of([await asked.verbs.registry.listing.one(asked.actor, name)])
    return Star(starred=await asked.verbs.stars.has(asked.actor, name), stars=shelved.stars)


@_noun.put("/repositories/{namespace}/{repository}/star")
async def give_star(asked: Asking, namespace: Segment, repository: Segment) -> None:
    """Give a repository a star. For users, not for robots or organisations' tokens."""
    await asked.verbs.stars.give(asked.actor, await starred_name(asked, namespace, repository))


@_noun.delete("/repositories/{namespace}/{repository}/star")
async def take_star(asked: Asking, namespace: Segment, repository: Segment) -> None:
    """Take one's star away, if there is one."""
    await asked.verbs.stars.take(asked.actor, await starred_name(asked, namespace, repository))


async def starred_name(asked: Asked, namespace: str, repository: str) -> RepositoryName:
    """Return the name of a repository that whoever asks may give a star. Raises Hidden, Unproven."""
    if not asked.actor.is_somebody:
        raise Unproven(action="star", repository=f"{namespace}/{repository}", scope="")
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)
    return name


async def _seen(asked: Asked, name: RepositoryName) -> None:
    """Do nothing when whoever asks sees a repository that is there. Raises Hidden, RepositoryUnknown, TokenRefused."""
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)
    await asked.verbs.registry.listing.one(asked.actor, name)
