"""Repositories as Docker Hub shows them: what is not counted or kept here is there, and empty."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field

from entrepot.domain.access.model import Action
from entrepot.domain.registry.model import Listed
from entrepot.web.api.asking import Asking
from entrepot.web.api.errors import FieldInvalid
from entrepot.web.api.hub.paging import HubPage, Paging, hub_page
from entrepot.web.api.models import Segment, Shown, instant, repository_name
from entrepot.web.api.routing import Noun

_noun: Final = Noun("docker hub", "/v2")
_Text = Annotated[str, Field(max_length=25_000)]
_UNKEPT = "descriptions are not kept here yet: leave it out"


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
    pull_count: int = 0
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
            last_updated=instant(found.pushed_at),
            date_registered=instant(found.created_at),
        )


class HubNewRepository(BaseModel):
    """A repository to be made."""

    namespace: Annotated[str, Field(max_length=1000)]
    name: Annotated[str, Field(max_length=1000)]
    is_private: bool = False
    description: _Text | None = None
    full_description: _Text | None = None


class HubChange(BaseModel):
    """What is to be changed."""

    is_private: bool | None = None
    description: _Text | None = None
    full_description: _Text | None = None


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
    _require_none_kept(body)
    name = repository_name(body.namespace, body.name)
    await asked.verbs.permits.in_repository(asked.actor, Action.PUSH, name)
    return HubRepository.of(await asked.verbs.registry.listing.add(asked.actor, name, public=not body.is_private))


@_noun.get("/repositories/{namespace}")
@_noun.get("/namespaces/{namespace}/repositories", name="hub_list_repositories_of")
async def hub_list_repositories(asked: Asking, namespace: Segment, paging: Paging) -> HubPage[HubRepository]:
    """List the repositories of a namespace that whoever asks may see."""

    async def fetch(last: str, limit: int) -> tuple[list[Listed], bool]:
        return await asked.verbs.registry.listing.page(asked.actor, namespace, last, limit)

    return await hub_page(paging, fetch, lambda each: each.name, HubRepository.of)


@_noun.get("/repositories/{namespace}/{repository}")
@_noun.get("/namespaces/{namespace}/repositories/{repository}", name="hub_get_repository_of")
async def hub_get_repository(asked: Asking, namespace: Segment, repository: Segment) -> HubRepository:
    """Show a repository; a slash in its name behind the namespace is written %2F."""
    name = repository_name(namespace, repository)
    await asked.verbs.permits.in_repository(asked.actor, Action.PULL, name)
    return HubRepository.of(await asked.verbs.registry.listing.one(asked.actor, name))


@_noun.patch("/repositories/{namespace}/{repository}")
@_noun.patch("/namespaces/{namespace}/repositories/{repository}", name="hub_change_repository_of")
async def hub_change_repository(asked: Asking, namespace: Segment, repository: Segment, body: HubChange) -> HubRepository:
    """Let everybody see a repository, or only those who were granted it."""
    name, rooms = repository_name(namespace, repository), asked.verbs.registry
    await asked.verbs.permits.in_repository(asked.actor, Action.CONFIGURE, name)
    _require_none_kept(body)
    await rooms.listing.one(asked.actor, name)
    if body.is_private is None:
        raise FieldInvalid(field="is_private", reason="say whether it is private: nothing else can be changed here yet")
    await rooms.repositories.set_visibility(asked.actor, name, public=not body.is_private)
    return HubRepository.of(await rooms.listing.one(asked.actor, name))


def _require_none_kept(body: HubNewRepository | HubChange) -> None:
    """Do nothing when no text is sent: nothing is acknowledged that is not stored. Raises FieldInvalid."""
    for field in ("description", "full_description"):
        if getattr(body, field):
            raise FieldInvalid(field=field, reason=_UNKEPT)
