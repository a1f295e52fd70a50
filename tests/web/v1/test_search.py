"""`/v1/search` as Docker's daemon and podman ask it: what they are told, who is taken for nobody, and what else there is."""

import asyncio
from collections.abc import Iterator

import pytest

from conftest import new_database
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.spec.oci.names import RepositoryName
from support.accounts import PASSWORD, basic, with_accounts
from support.finding import finder, push
from support.http import Answer
from support.inside import Inside, inside
from support.parts import parts, prepared

pytestmark = pytest.mark.single
NAMES = ("library/otter", "ann/otter", "ann/otter-tools", "ann/otter-secret")


@pytest.fixture(scope="module")
def place(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Four images that are called alike: an official one, one with a star, and one of ann's alone."""
    place = prepared(tmp_path_factory.mktemp("v1") / "data", new_database(profile, request))
    with_accounts(place, lambda who: who.users.add("ann", PASSWORD))
    asyncio.run(_filled(place))
    return place


async def _filled(place: Settings) -> None:
    async with parts(place) as whole:
        for each in NAMES:
            await push(whole, each)
        there, ann = whole.registry.repositories, await whole.accounts.users.find("ann")
        await there.describe(ANYONE, RepositoryName.parse("ann/otter"), description="Swims, é <b>&")
        await there.set_visibility(ANYONE, RepositoryName.parse("ann/otter-secret"), public=False)
        await Stars(whole.db, OpenRule()).give(Actor("ann", account=ann.id), RepositoryName.parse("ann/otter"))
        with finder(place, whole) as found:
            await found.follow()


@pytest.fixture(scope="module")
def hub(place: Settings) -> Iterator[Inside]:
    with inside(place) as web:
        yield web


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer
    return [each["name"] for each in answer.json["results"]]


def test_the_answer_has_what_clients_read(hub: Inside) -> None:
    answer = hub.request("GET", "/v1/search?q=otter&n=2")
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
    told = answer.json
    results = told.pop("results")
    assert told == {"query": "otter", "num_results": 3, "num_pages": 2, "page": 1, "page_size": 2}
    plain = {"is_automated": False, "is_trusted": False}
    assert results == [
        {"name": "otter", "description": "", "star_count": 0, "is_official": True, **plain},
        {"name": "ann/otter", "description": "Swims, é <b>&", "star_count": 1, "is_official": False, **plain},
    ]


def test_pages_follow_one_another(hub: Inside) -> None:
    pages = [names(hub.request("GET", f"/v1/search?q=otter&n=1&page={page}")) for page in (1, 2, 3, 4)]
    assert pages == [["otter"], ["ann/otter"], ["ann/otter-tools"], []]


@pytest.mark.parametrize(
    ("query", "size", "page"),
    [
        ("n=0", 1, 1),
        ("n=100", 100, 1),
        ("n=101", 100, 1),
        ("n=99999999999999999999", 25, 1),
        ("n=-1", 25, 1),
        ("n=x&page=y", 25, 1),
        ("n=%C2%B2", 25, 1),
        ("n=&page=", 25, 1),
        ("page=0", 25, 1),
        ("page=399", 25, 399),
        ("", 25, 1),
    ],
)
def test_numbers_that_are_none_are_the_usual_ones(hub: Inside, query: str, size: int, page: int) -> None:
    told = hub.request("GET", f"/v1/search?q=otter&{query}").json
    assert (told["page_size"], told["page"]) == (size, page)


@pytest.mark.parametrize("query", ["", "?", "?q=", "?q=%20", "?q=/"])
def test_without_a_word_everything_that_is_seen_is_listed(hub: Inside, query: str) -> None:
    assert sorted(names(hub.request("GET", f"/v1/search{query}"))) == ["ann/otter", "ann/otter-tools", "otter"]


@pytest.mark.parametrize(
    "typed", ["%F0%9F%90%B3", "%F0%9F%90%B3%20%F0%9F%90%B3", "x" * 5000, "%22%29%20OR%20*:*", "%2B-%21%7B%7D%5B%5D%5E~", "q=q"]
)
def test_whatever_is_asked_for_is_answered(hub: Inside, typed: str) -> None:
    answer = hub.request("GET", f"/v1/search?q={typed}")
    assert (answer.status, answer.json["results"]) == (200, [])


@pytest.mark.parametrize("typed", ["%00", "%ff", "%ed%a0%80"])
def test_what_is_no_text_is_refused(hub: Inside, typed: str) -> None:
    assert hub.request("GET", f"/v1/search?q={typed}").status == 400


def test_what_is_private_is_found_by_whoever_signs_in_and_may_see_it(hub: Inside) -> None:
    signed = hub.request("GET", "/v1/search?q=otter", auth=basic("ann", PASSWORD))
    assert sorted(names(signed)) == ["ann/otter", "ann/otter-secret", "ann/otter-tools", "otter"]
    assert signed.headers["cache-control"] == "no-store"
    assert names(hub.request("GET", "/v1/search?q=secret")) == []


@pytest.mark.parametrize("header", ["Basic Og==", "basic Og=="])
def test_an_empty_name_and_password_are_those_of_nobody(hub: Inside, header: str) -> None:
    for path in ("/v1/_ping", "/v1/search?q=otter"):
        assert hub.request("GET", path, auth=header).status == 200


@pytest.mark.parametrize("header", ["Basic YTo=", "Basic OmE=", "Basic xyz", "Bearer xyz", "Digest a"])
def test_who_cannot_prove_who_they_are_is_refused(hub: Inside, header: str) -> None:
    answer = hub.request("GET", "/v1/search?q=otter", auth=header)
    assert answer.status in (400, 401)
    assert answer.json["errors"]


def test_a_closed_hub_refuses_nobody_and_answers_others(place: Settings) -> None:
    with inside(place, anonymous="none") as closed:
        for header in (None, "Basic Og=="):
            answer = closed.request("GET", "/v1/search?q=otter", auth=header)
            assert (answer.status, answer.error_code) == (401, "UNAUTHORIZED")
            assert closed.request("GET", "/v1/_ping", auth=header).status == 200
        assert len(names(closed.request("GET", "/v1/search?q=otter", auth=basic("ann", PASSWORD)))) == 4


def test_the_ping_says_that_the_registry_stands_alone(hub: Inside) -> None:
    answer = hub.request("GET", "/v1/_ping")
    assert (answer.status, answer.headers["x-docker-registry-standalone"]) == (200, "true")
    assert answer.json == {"standalone": True}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/"),
        ("GET", "/v1/other"),
        ("GET", "/v1/users/"),
        ("PUT", "/v1/repositories/a/b/images"),
        ("POST", "/v1/search"),
        ("GET", "/v1/search/"),
        ("DELETE", "/v1/search"),
    ],
)
def test_what_else_is_asked_for_is_not_there(hub: Inside, method: str, path: str) -> None:
    answer = hub.request(method, path)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
    assert "/v2/" in answer.json["message"]
