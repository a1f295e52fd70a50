"""The audit log, for administrators and for owners of organisations."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Self

from fastapi import Query
from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field

from entrepot.domain.access.model import Action
from entrepot.domain.audit.model import Event, Wanted
from entrepot.domain.audit.service.reading import NEWEST, as_json
from entrepot.web.api.asking import Asking
from entrepot.web.api.credentials import require_no_token
from entrepot.web.api.errors import FieldInvalid
from entrepot.web.api.models import Page, Segment, Shown, instant
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("audit log", PREFIX)
_SECOND_US: Final = 1_000_000
_CURSOR: Final = re.compile(r"[0-9]{1,18}\.[0-9]{1,18}")
_Text = Annotated[str, Field(max_length=255)]
_Limit = Annotated[int, Field(ge=1, le=1000, description="How many at the most.")]


class Filter(BaseModel):
    """Which acts are asked for: what is not said is not looked at."""

    model_config = ConfigDict(extra="forbid")

    actor: _Text = ""
    act: _Text = ""
    since: Annotated[datetime | None, Field(description="Only from then on.")] = None
    until: Annotated[datetime | None, Field(description="Only before then.")] = None
    after: Annotated[_Text, Field(description="`next` of the part before.")] = ""
    limit: _Limit = 100


class HubFilter(Filter):
    """The same for the whole hub."""

    namespace: _Text = ""


class Entry(Shown):
    """Who did what to what, from where, with which token, and how it ended; `position` is null until it is in the chain."""

    position: int | None
    happened_at: datetime
    actor: str
    credential: str
    address: str
    os_user: str
    act: str
    namespace: str
    target: str
    outcome: str
    details: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        """Return what is shown of it."""
        told = as_json(event)
        names = ("position", "actor", "credential", "os_user", "act", "namespace", "target", "outcome", "details")
        return cls(happened_at=instant(event.happened_at), address=event.shown_address, **{name: told[name] for name in names})


@_noun.get("/audit")
async def list_audit(asked: Asking, wanted: Annotated[HubFilter, Query()]) -> Page[Entry]:
    """List acts, newest first. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    found = await asked.verbs.audit.newest(_wanted(wanted, wanted.namespace), wanted.limit + 1, _before(wanted.after))
    return _page(found, wanted.limit)


@_noun.get("/namespaces/{namespace}/audit")
async def list_namespace_audit(asked: Asking, namespace: Segment, wanted: Annotated[Filter, Query()]) -> Page[Entry]:
    """List what was done in a namespace, under its former names too, newest first. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, namespace, "namespace")
    require_no_token(asked)
    names = [namespace, *await asked.verbs.names.held_by(namespace)]
    found = await asked.verbs.audit.of_namespace(names, _wanted(wanted, ""), wanted.limit + 1, _before(wanted.after))
    return _page(found, wanted.limit)


@_noun.get("/audit/chain")
async def list_chain(
    asked: Asking,
    after: Annotated[int, Query(ge=0, le=2**53, description="The last position that the caller has.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at the most.")] = 100,
) -> Page[dict[str, Any]]:
    """Give acts in the order of the chain, with all that their digests cover, for whoever keeps a copy. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    found = await asked.verbs.audit.chained(after, limit + 1)
    shown = [as_json(each) for each in found[:limit]]
    return Page(items=shown, next=str(shown[-1]["position"]) if len(found) > limit else None)


def _page(found: Sequence[Event], limit: int) -> Page[Entry]:
    """Return a page of what was asked for with one more than `limit`."""
    shown = found[:limit]
    following = f"{shown[-1].happened_at}.{shown[-1].id}" if len(found) > len(shown) else None
    return Page(items=[Entry.of(each) for each in shown], next=following)


def _before(after: str) -> tuple[int, int]:
    if not after:
        return NEWEST
    if not _CURSOR.fullmatch(after):
        raise FieldInvalid(field="after", reason="give `next` of the part before")
    at, _, id_ = after.partition(".")
    return int(at), int(id_)


def _wanted(asked: Filter, namespace: str) -> Wanted:
    wanted = Wanted(asked.actor, asked.act, namespace)
    if asked.since is not None:
        wanted = replace(wanted, since=_us(asked.since))
    if asked.until is not None:
        wanted = replace(wanted, until=_us(asked.until))
    return wanted


def _us(moment: datetime) -> int:
    try:
        return int(moment.timestamp() * _SECOND_US)
    except (OverflowError, ValueError):
        raise FieldInvalid(field="since", reason="a time that can be written, as 2026-11-29T14:00:00Z") from None
