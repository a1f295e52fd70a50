"""Names of users and organisations: given, changed, and held for whoever had them."""

from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import Query
from msgspec.structs import replace
from pydantic import Field

from entrepot.domain.access.errors import Denied, Hidden, Unproven
from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import ORGANISATION, USER
from entrepot.domain.registry.model import Former
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.credentials import require_no_token
from entrepot.web.api.models import After, Limit, Page, Segment, Sent, Shown, instant, paged
from entrepot.web.api.routing import PREFIX, Noun
from entrepot.web.api.users import require_password

_noun: Final = Noun("names", PREFIX)
_Text = Annotated[str, Field(max_length=1000)]


class FormerName(Shown):
    """A name that nobody else is given: what it leads to, null if that is not for whoever asks, or was deleted."""

    name: str
    leads_to: str | None
    held_at: datetime

    @classmethod
    def of(cls, found: Former) -> Self:
        """Return what is shown of it."""
        return cls(name=found.name, leads_to=found.leads_to or None, held_at=instant(found.held_at))


class NewName(Sent):
    """The name that an organisation is to have."""

    name: _Text


class NewUserName(NewName):
    """The name that a user is to have; their password is for one's own."""

    current_password: _Text | None = None


@_noun.get("/names")
async def list_names(asked: Asking, after: After = "", limit: Limit = 100) -> Page[FormerName]:
    """List former names of users and organisations. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    return paged(await asked.verbs.names.held(after, limit + 1), limit, FormerName.of, lambda each: each.name)


@_noun.get("/namespaces/{namespace}/names")
async def list_repository_names(asked: Asking, namespace: Segment, after: After = "", limit: Limit = 100) -> Page[FormerName]:
    """List the former names of repositories in a namespace; `after` is one without the namespace. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, namespace, "namespace")
    found = [await _as_seen(asked, each) for each in await asked.verbs.names.held_in(namespace, after, limit + 1)]
    return paged(found, limit, FormerName.of, lambda each: each.name.partition("/")[2])


@_noun.delete("/names")
async def release_name(
    asked: Asking, name: Annotated[str, Query(max_length=255, description="Of a namespace, or the whole name of a repository.")]
) -> None:
    """Let a former name lead nowhere, and others have it. For owners of the namespace that had it, or in which it lies."""
    if not asked.actor.is_somebody:
        raise Unproven(action=Action.MANAGE.value, repository=name, scope="")
    is_of_repository = "/" in name
    owner = name.partition("/")[0] if is_of_repository else await asked.verbs.names.leads_to(name) or name
    try:
        await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, owner, "name")
    except Hidden:  # what it leads to is told to nobody else
        raise Hidden("name", name) from None
    except Denied:
        if is_of_repository:
            raise
        raise Hidden("name", name) from None
    require_no_token(asked)
    await asked.verbs.names.release(name)


@_noun.put("/organisations/{organisation}/name")
async def rename_organisation(asked: Asking, organisation: Segment, body: NewName) -> None:
    """Give an organisation another name; the former one leads to its repositories. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    await _rename(asked, organisation, body.name, ORGANISATION)


@_noun.put("/users/{user}/name")
async def rename_user(asked: Asking, user: Segment, body: NewUserName) -> None:
    """Give a user another name; the former one leads to their repositories. For themselves and for administrators."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, user, "user")
    await require_password(asked, user, body.current_password)
    await _rename(asked, user, body.name, USER)


async def _as_seen(asked: Asked, found: Former) -> Former:
    """Return a former name, without what it leads to where whoever asks may not see that: it is somebody else's now."""
    if found.leads_to.partition("/")[0] == found.name.partition("/")[0]:
        return found
    try:
        await asked.verbs.permits.in_repository(asked.actor, Action.PULL, RepositoryName.parse(found.leads_to))
    except (Denied, Hidden):
        return replace(found, leads_to="")
    return found


async def _rename(asked: Asked, old: str, new: str, kind: str) -> None:
    require_no_token(asked)
    await asked.verbs.names.rename(old, new, kind)
