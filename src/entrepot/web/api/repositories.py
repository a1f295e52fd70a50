"""Repositories: listing, making, describing and hiding them."""

from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import Query
from pydantic import Field, model_validator

from entrepot.domain.access.model import Action
from entrepot.domain.registry.model import Listed
from entrepot.domain.registry.service.repositories import LONGEST_DESCRIPTION, LONGEST_README
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.models import After, FewerLimit, Page, Segment, Sent, Shown, instant, instant_or_none, repository_name
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("repositories", f"{PREFIX}/repositories")


class Repository(Shown):
    """A repository: its whole name; `pushed_at` is to the minute."""

    name: str
    is_private: bool
    created_at: datetime
    pushed_at: datetime
    pulls: int = Field(description="How often it was pulled, but for the last seconds; with `--count-pulls`.")
    pulled_at: datetime | None

    @classmethod
    def of(cls, found: Listed) -> Self:
        """Return what is shown of it."""
        return cls(
            name=found.name,
            is_private=not found.public,
            created_at=instant(found.created_at),
            pushed_at=instant(found.pushed_at),
            pulls=found.pulls,
            pulled_at=instant_or_none(found.pulled_at),
        )


class NewRepository(Sent):
    """A repository to be made before anything is pushed to it."""

    name: Annotated[str, Field(max_length=1000)]
    is_private: bool = False


class RepositoryDetail(Repository):
    """A repository with what it says of itself; nothing can be changed in one that is archived."""

    is_archived: bool
    description: str
    readme: str


class RepositoryChange(Sent):
    """One change, so that it is made wholly or not at all; description and README are one."""

    is_private: bool | None = None
    is_archived: bool | None = None
    description: Annotated[str, Field(max_length=LONGEST_DESCRIPTION)] | None = None
    readme: Annotated[str, Field(max_length=LONGEST_README)] | None = None
    name: Annotated[str, Field(max_length=1000)] | None = Field(default=None, description="The whole new name.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        changed = {"description" if name == "readme" else name for name in self.model_fields_set}
        if len(changed) != 1 or any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("change one thing at a time: is_private, is_archived, name, or description and readme")
        return self


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
async def get_repository(asked: Asking, namespace: Segment, repository: Segment) -> RepositoryDetail:
    """Show a repository; a slash in its name behind the namespace is written %2F."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)
    return await _detail(asked, name)


@_noun.patch("/{namespace}/{repository}")
async def change_repository(asked: Asking, namespace: Segment, repository: Segment, body: RepositoryChange) -> RepositoryDetail:
    """Let everybody see a repository or not, archive it, describe it, or give it another name, in another namespace too."""
    name, rooms = repository_name(namespace, repository), asked.verbs.registry.repositories
    if body.name is not None:
        return await _rename(asked, name, RepositoryName.parse(body.name))
    is_about_text = body.is_private is None and body.is_archived is None
    await asked.verbs.permits.in_repository(asked.actor, Action.DESCRIBE if is_about_text else Action.CONFIGURE, name)
    await _detail(asked, name)  # raises when it is not there, which a change would make
    if body.is_private is not None:
        await rooms.set_visibility(asked.actor, name, public=not body.is_private)
    elif body.is_archived is not None:
        await rooms.set_archived(asked.actor, name, archived=body.is_archived)
    else:
        await rooms.describe(asked.actor, name, description=body.description, readme=body.readme)
    return await _detail(asked, name)


@_noun.delete("/{namespace}/{repository}")
async def delete_repository(asked: Asking, namespace: Segment, repository: Segment) -> None:
    """Delete a repository with all that is in it."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.REMOVE, name)
    await asked.verbs.registry.repositories.delete(asked.actor, name)


async def _rename(asked: Asked, name: RepositoryName, new: RepositoryName) -> RepositoryDetail:
    leaves = name.namespace != new.namespace
    await asked.verbs.permits.in_repository(asked.actor, Action.REMOVE if leaves else Action.CONFIGURE, name)
    if leaves:
        await asked.verbs.permits.in_repository(asked.actor, Action.CREATE, name)
    await asked.verbs.permits.in_repository(asked.actor, Action.CREATE, new)
    await asked.verbs.registry.repositories.rename(asked.actor, name, new)
    return await _detail(asked, new)


async def _detail(asked: Asked, name: RepositoryName) -> RepositoryDetail:
    rooms = asked.verbs.registry
    shown = Repository.of(await rooms.listing.one(asked.actor, name))
    about = await rooms.repositories.find(asked.actor, name)
    return RepositoryDetail(
        **shown.model_dump(), is_archived=about.archived_at is not None, description=about.description, readme=about.readme
    )
