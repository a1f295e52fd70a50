"""Search and stars at Docker Hub's addresses."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Query

from entrepot.domain.search.model import Hit
from entrepot.spec.oci.names import LIBRARY
from entrepot.web.api.asking import Asking
from entrepot.web.api.catalogue import starred_name
from entrepot.web.api.hub.paging import HubPage
from entrepot.web.api.models import Segment, Shown
from entrepot.web.api.routing import Noun
from entrepot.web.shared.authorization import service_of

_noun: Final = Noun("docker hub", "/v2")
_MOST: Final = 100
_DEEPEST: Final = 10_000


class HubFound(Shown):
    """A repository that was found."""

    repo_name: str
    short_description: str
    star_count: int
    pull_count: int
    repo_owner: str
    is_automated: bool
    is_official: bool


@_noun.get("/search/repositories")
async def hub_search(
    asked: Asking,
    query: Annotated[str, Query(max_length=1000)] = "",
    page: Annotated[int, Query(ge=1, le=_DEEPEST)] = 1,
    page_size: Annotated[int, Query(ge=1)] = 10,
) -> HubPage[HubFound]:
    """Find repositories that whoever asks may see."""
    size = min(page_size, _MOST)
    found = await asked.verbs.searching().find(asked.actor, query, first=(page - 1) * size, most=size)
    scheme, host = service_of(asked.call, asked.call.challenged_as or "")

    def address(number: int) -> str:
        asked_for = urlencode({"query": query, "page": number, "page_size": size})
        return f"{scheme}://{host}/v2/search/repositories/?{asked_for}"

    return HubPage(
        count=found.count,
        next=address(page + 1) if page * size < min(found.count, _DEEPEST) else None,
        previous=address(page - 1) if page > 1 else None,
        results=[_shown(each) for each in found.hits],
    )


@_noun.put("/repositories/{namespace}/{repository}/star")
async def hub_give_star(asked: Asking, namespace: Segment, repository: Segment) -> None:
    """Give a repository a star."""
    await asked.verbs.stars.give(asked.actor, await starred_name(asked, namespace, repository))


@_noun.delete("/repositories/{namespace}/{repository}/star")
async def hub_take_star(asked: Asking, namespace: Segment, repository: Segment) -> None:
    """Take one's star away, if there is one."""
    await asked.verbs.stars.take(asked.actor, await starred_name(asked, namespace, repository))


def _shown(hit: Hit) -> HubFound:
    owner, _, _ = hit.listed.name.partition("/")
    is_official = owner == LIBRARY
    return HubFound(
        repo_name=hit.listed.name.removeprefix(f"{LIBRARY}/"),
        short_description=hit.listed.description,
        star_count=hit.shelved.stars,
        pull_count=hit.listed.pulls,
        repo_owner="" if is_official else owner,
        is_automated=False,
        is_official=is_official,
    )
