"""What all bodies have in common, and how times, names and pages are written."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar
from urllib.parse import unquote

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from entrepot.spec.oci.names import RepositoryName

_T = TypeVar("_T")
_S = TypeVar("_S")


class Sent(BaseModel):
    """What a client sends: a field that is not known is refused, and no value is taken for one of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Shown(BaseModel):
    """What a client is told."""

    model_config = ConfigDict(frozen=True)


class Page(Shown, Generic[_S]):
    """A part of a list; `next` is what to give as `after` for the next part, null at the end."""

    items: list[_S]
    next: str | None = None


class Problem(Shown):
    """What every refusal has."""

    code: str = Field(description="One of the codes of the reference.")
    message: str = Field(description="What is the case, and what to do.")
    detail: dict[str, str] | None = Field(
        default=None, description="The facts of the message; `field` names what was sent wrongly."
    )


def _resolved(text: str) -> str:
    """Return a segment with its escapes resolved once; the path comes as it was sent, so that %2F is no slash before that."""
    found = unquote(text, errors="strict")  # UnicodeDecodeError is a ValueError, which is told as such
    if not found.isprintable():
        raise ValueError("it has characters that no name has")
    return found


Segment = Annotated[str, Path(max_length=1000), AfterValidator(_resolved)]
After = Annotated[str, Query(max_length=255, description="Begin behind this: `next` of the part before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at the most.")]
FewerLimit = Annotated[int, Query(ge=1, le=100, description="How many at the most.")]


def repository_name(namespace: str, repository: str) -> RepositoryName:
    """Return a repository's name by the two segments that a path has of it. Raises NameInvalid."""
    return RepositoryName.parse(f"{namespace}/{repository}")


def instant(microseconds: int) -> datetime:
    """Return a time as it is shown."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def instant_or_none(microseconds: int | None) -> datetime | None:
    """Return a time as it is shown, if there is one."""
    return None if microseconds is None else instant(microseconds)


def paged(found: Sequence[_T], limit: int, show: Callable[[_T], _S], name: Callable[[_S], str]) -> Page[_S]:
    """Return a page of what was asked for with one more than `limit`; `name` is what the list is in the order of."""
    shown = [show(each) for each in found[:limit]]
    return Page(items=shown, next=name(shown[-1]) if len(found) > limit else None)
