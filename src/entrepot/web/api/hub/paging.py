"""Pages by number, as Docker Hub has them, over lists that are read by name."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query

from entrepot.web.api.asking import Asking
from entrepot.web.api.errors import AddressUnknown
from entrepot.web.api.models import Shown
from entrepot.web.shared.authorization import service_of

_T = TypeVar("_T")
_S = TypeVar("_S")
MOST_COUNTED: Final = 1000
_MOST_LOOKED_AT: Final = 10_000
_AT_A_TIME: Final = 100
Fetch = Callable[[str, int], Awaitable[tuple[list[_T], bool]]]  # behind a name, at most so many; and whether there are more


class HubPage(Shown, Generic[_S]):
    """A page; `count` is exact up to a thousand."""

    count: int
    next: str | None
    previous: str | None
    results: list[_S]


class _Asked(NamedTuple):
    page: int
    page_size: int
    name: str
    after: str
    address: str


async def _paging(
    asked: Asking,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1)] = 10,
    name: Annotated[str, Query(max_length=255, description="Which names: those that have this in them.")] = "",
    ordering: Annotated[str, Query(description="Taken, and passed over: lists are in the order of names.")] = "",  # noqa: ARG001
    after: Annotated[str, Query(max_length=255, description="Of the address of the page before.")] = "",
) -> _Asked:
    scheme, host = service_of(asked.call, asked.call.challenged_as or "")
    path = asked.call.path.decode("ascii", "replace")
    return _Asked(page, min(page_size, 100), name, after, f"{scheme}://{host}{path}")


Paging = Annotated[_Asked, Depends(_paging)]


async def hub_page(paging: Paging, fetch: Fetch[_T], name_of: Callable[[_T], str], show: Callable[[_T], _S]) -> HubPage[_S]:
    """Return the page that is asked for. Raises AddressUnknown behind the last one, as Docker Hub does."""
    skipped = 0 if paging.after else (paging.page - 1) * paging.page_size
    wanted = min(max(skipped + paging.page_size + 1, MOST_COUNTED), MOST_COUNTED + paging.page_size)
    found, is_more = await _fetched(paging, fetch, name_of, wanted)
    items = found[skipped : skipped + paging.page_size]
    if not items and paging.page > 1:
        raise AddressUnknown
    follows = len(found) > skipped + paging.page_size or is_more
    before = (paging.page - 1) * paging.page_size if paging.after else 0
    return HubPage(
        count=before + len(found),
        next=_address(paging, paging.page + 1, name_of(items[-1])) if items and follows else None,
        previous=_address(paging, paging.page - 1, "") if paging.page > 1 else None,
        results=[show(each) for each in items],
    )


async def _fetched(paging: Paging, fetch: Fetch[_T], name_of: Callable[[_T], str], wanted: int) -> tuple[list[_T], bool]:
    found: list[_T] = []
    last, is_more, looked_at = paging.after, True, 0
    while is_more and len(found) < wanted and looked_at < _MOST_LOOKED_AT:
        some, is_more = await fetch(last, _AT_A_TIME)
        looked_at += len(some)
        await asyncio.sleep(0)  # on SQLite nothing else makes room for other requests
        found += [each for each in some if paging.name in name_of(each)]
        last = name_of(some[-1]) if some else last
    return found[:wanted], is_more or len(found) > wanted


def _address(paging: Paging, page: int, after: str) -> str:
    parts: dict[str, Any] = {"page": page, "page_size": paging.page_size}
    parts |= {key: value for key, value in (("name", paging.name), ("after", after)) if value}
    return f"{paging.address}?{urlencode(parts)}"
