"""Repositories: listing, making, describing and hiding them."""

from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import Query
from pydantic import Field

from entrepot.domain.access.model import Action
from entrepot.domain.registry.model import Listed
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.api.asking import Asking
from entrepot.web.api.models import After, FewerLimit, Page, Segment, Sent, Shown, instant, repository_name
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("repositories", f"{PREFIX}/repositories")


class Repository(Shown):
    """A repository: its whole name; `pushed_at` is to the minute."""

    name: str
    is_private: bool
    created_at: datetime
    pushed_at: datetime

    @classmethod
    def of(cls, found: Listed) -> Self:
        """Return what is shown of it."""
        return cls(
            name=found.name,
            is_private=not found.public,
            created_at=instant(found.created_at),
            pushed_at=instant(found.pushed_at),
        )


class NewRepository(Sent):
    """A repository to be made before anything is pushed to it."""

    name: Annotated[str, Field(max_length=1000)]
    is_private: bool = False


class RepositoryChange(Sent):
    """What is to be changed."""

    is_private: bool


@_noun.get("")
async def list_repositories(
    asked: Asking,
    namespace: Annotated[str, Query(max_length=255, description="Of this user or organisation alone.")] = "",
    after: After = "",
    limit: FewerLimit = 100,
) -> Page[Repository]:
    """List by name the repositories that whoever asks may see."""
    rooms = asked.verbs.registry
    if namespace:
        found, is_more = await rooms.listing.page(asked.actor, namespace, after, limit)
    else:
        page = await rooms.tags.catalogue(asked.actor, after, limit)
        found, is_more = await rooms.listing.of_names(page.names), page.more
    return Page(items=[Repository.of(each) for each in found], next=found[-1].name if is_more and found else None)


@_noun.post("")
async def create_repository(asked: Asking, body: NewRepository) -> Repository:
    """Make a repository. For those who may push there, and make one by that."""
    name = RepositoryName.parse(body.name)
    await asked.verbs.permits.in_repository(asked.actor, Action.PUSH, name)
    return Repository.of(await asked.verbs.registry.listing.add(asked.actor, name, public=not body.is_private))


@_noun.get("/{namespace}/{repository}")
async def get_repository(asked: Asking, namespace: Segment, repository: Segment) -> Repository:
    """Show a repository; a slash in its name behind the namespace is written %2F."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)
    return Repository.of(await asked.verbs.registry.listing.one(asked.actor, name))


@_noun.patch("/{namespace}/{repository}")
async def change_repository(asked: Asking, namespace: Segment, repository: Segment, body: RepositoryChange) -> Repository:
    """Let everybody see a repository, or only those who were granted it."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.CONFIGURE, name)
    rooms = asked.verbs.registry
    await rooms.listing.one(asked.actor, name)  # raises when it is not there, which the change would make
    await rooms.repositories.set_visibility(asked.actor, name, public=not body.is_private)
    return Repository.of(await rooms.listing.one(asked.actor, name))
