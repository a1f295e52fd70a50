"""Repositories as Docker Hub shows them: what is not counted or kept here is there, and empty."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field

from entrepot.domain.access.model import Action
from entrepot.domain.registry.model import Listed
from entrepot.domain.registry.service.repositories import LONGEST_DESCRIPTION, LONGEST_README
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.errors import FieldInvalid
from entrepot.web.api.hub.paging import HubPage, Paging, hub_page
from entrepot.web.api.models import Segment, Shown, instant, repository_name
from entrepot.web.api.routing import Noun

_noun: Final = Noun("docker hub", "/v2")


class HubRepository(Shown):
    """A repository."""

    name: str
    namespace: str
    repository_type: Literal["image"] = "image"
    status: int = 1
    status_description: str = "active"
    is_private: bool
    description: str = ""
    full_description: str = ""
    star_count: int = 0
    pull_count: int
    is_automated: bool = False
    last_updated: datetime
    date_registered: datetime
    media_types: tuple[str, ...] = ()
    content_types: tuple[str, ...] = ("image",)

    @classmethod
    def of(cls, found: Listed) -> Self:
        """Return what is shown of it."""
        namespace, _, name = found.name.partition("/")
        return cls(
            name=name,
            namespace=namespace,
            is_private=not found.public,
            pull_count=found.pulls,
            last_updated=instant(found.pushed_at),
            date_registered=instant(found.created_at),
        )


class HubNewRepository(BaseModel):
    """A repository to be made."""

    namespace: Annotated[str, Field(max_length=1000)]
    name: Annotated[str, Field(max_length=1000)]
    is_private: bool = False
    description: Annotated[str, Field(max_length=LONGEST_DESCRIPTION)] | None = None
    full_description: Annotated[str, Field(max_length=LONGEST_README)] | None = None


class HubChange(BaseModel):
    """What is to be changed."""

    is_private: bool | None = None
    description: Annotated[str, Field(max_length=LONGEST_DESCRIPTION)] | None = None
    full_description: Annotated[str, Field(max_length=LONGEST_README)] | None = None


class Namespaces(Shown):
    """The namespaces where whoever asks may make repositories."""

    namespaces: list[str]


@_noun.get("/repositories/namespaces")
async def hub_namespaces(asked: Asking) -> Namespaces:
    """List one's own namespace and those of the organisations that one edits or owns."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.SEE_MEMBERS, asked.actor.name, "user")
    found = await asked.verbs.organisations.of_account(asked.actor.account)
    return Namespaces(namespaces=sorted([asked.actor.name, *(each.name for each in found if each.place.value != "member")]))


@_noun.post("/repositories")
async def hub_create_repository(asked: Asking, body: HubNewRepository) -> HubRepository:
    """Make a repository."""
    name, rooms = repository_name(body.namespace, body.name), asked.verbs.registry
    await asked.verbs.permits.in_repository(asked.actor, Action.PUSH, name)
    texts = body.description or None, body.full_description or None
    if texts != (None, None):
        await asked.verbs.permits.in_repository(asked.actor, Action.DESCRIBE, name)
    await rooms.listing.add(asked.actor, name, public=not body.is_private)
    if texts != (None, None):
        await rooms.repositories.describe(asked.actor, name, description=texts[0], readme=texts[1])
    return await _detail(asked, name)


@_noun.get("/repositories/{namespace}")
@_noun.get("/namespaces/{namespace}/repositories", name="hub_list_repositories_of")
async def hub_list_repositories(asked: Asking, namespace: Segment, paging: Paging) -> HubPage[HubRepository]:
    """List the repositories of a namespace that whoever asks may see."""

    async def fetch(last: str, limit: int) -> tuple[list[Listed], bool]:
        return await asked.verbs.registry.listing.page(asked.actor, namespace, last, limit)

    listed: list[Listed] = []

    def show(each: Listed) -> HubRepository:
        listed.append(each)
        return HubRepository.of(each)

    page = await hub_page(paging, fetch, lambda each: each.name, show)
    stars = [shelved.stars for _, shelved in await asked.verbs.shelves.of(listed)]
    results = [each.model_copy(update={"star_count": count}) for each, count in zip(page.results, stars, strict=True)]
    return page.model_copy(update={"results": results})


@_noun.get("/repositories/{namespace}/{repository}")
@_noun.get("/namespaces/{namespace}/repositories/{repository}", name="hub_get_repository_of")
async def hub_get_repository(asked: Asking, namespace: Segment, repository: Segment) -> HubRepository:
    """Show a repository; a slash in its name behind the namespace is written %2F."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)
    return await _detail(asked, name)


@_noun.patch("/repositories/{namespace}/{repository}")
@_noun.patch("/namespaces/{namespace}/repositories/{repository}", name="hub_change_repository_of")
async def hub_change_repository(asked: Asking, namespace: Segment, repository: Segment, body: HubChange) -> HubRepository:
    """Let everybody see a repository, or only those who were granted it."""
    name, rooms = repository_name(namespace, repository), asked.verbs.registry
    for action in _needed(body):
        await asked.verbs.permits.in_repository(asked.actor, action, name)
    await rooms.listing.one(asked.actor, name)  # raises when it is not there, which a change would make
    if body.is_private is not None:
        await rooms.repositories.set_visibility(asked.actor, name, public=not body.is_private)
    if Action.DESCRIBE in _needed(body):
        await rooms.repositories.describe(asked.actor, name, description=body.description, readme=body.full_description)
    return await _detail(asked, name)


@_noun.delete("/repositories/{namespace}/{repository}", 202)
@_noun.delete("/namespaces/{namespace}/repositories/{repository}", 202, name="hub_delete_repository_of")
async def hub_delete_repository(asked: Asking, namespace: Segment, repository: Segment) -> None:
    """Delete a repository with all that is in it."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.REMOVE, name)
    await asked.verbs.registry.repositories.delete(asked.actor, name)


def _needed(body: HubChange) -> list[Action]:
    """Return what somebody must be allowed for a change. Raises FieldInvalid for one of nothing."""
    found = [Action.CONFIGURE] if body.is_private is not None else []
    if body.description is not None or body.full_description is not None:
        found.append(Action.DESCRIBE)
    if not found:
        raise FieldInvalid(field="is_private", reason="say what is to be changed: is_private, description or full_description")
    return found


async def _detail(asked: Asked, name: RepositoryName) -> HubRepository:
    rooms = asked.verbs.registry
    listed = await rooms.listing.one(asked.actor, name)
    shown = HubRepository.of(listed)
    about = await rooms.repositories.find(asked.actor, name)
    ((_, shelved),) = await asked.verbs.shelves.of([listed])
    texts = {"description": about.description, "full_description": about.readme}
    return shown.model_copy(update={**texts, "star_count": shelved.stars})
