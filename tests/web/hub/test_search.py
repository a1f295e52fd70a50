"""Search in pages: what is found, filters in the address, pages of results, suggestions, and the first page of a large hub."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from support import images
from support.http import Client
from support.instance import Instance
from support.reading import Read, read

HTML: Final = {"accept": "text/html"}
MANY: Final = 30


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A hub with some images that are in its index."""
    with Instance(Path(tmp_path_factory.mktemp("search")), workers=1) as instance:
        client = instance.client()
        for number in range(MANY):
            images.push(client, f"many/gadget-{number:02}", images.simple_image(number), "1.0")
        images.push(client, "team/postgres-backup", images.multi_platform(1), "1.0", "latest")
        images.push(client, "postgres", images.multi_platform(2), "18.3", "latest")
        images.push(client, "evil/x", images.simple_image(70), "1")
        until_found(client, "evil", 1)
        yield client


def until_found(client: Client, typed: str, count: int) -> None:
    end = time.monotonic() + 20
    while client.get(f"/v1/search?q={quote(typed)}").json["num_results"] != count:
        assert time.monotonic() < end, "it is not found in time"
        time.sleep(0.1)


def names(page: Read) -> list[str]:
    return [link.removeprefix("/r/") for link in page.links if link.startswith("/r/")]


def test_what_is_typed_is_found_the_whole_name_first(found: Client) -> None:
    page = read(found, "/search?q=postgres")
    assert names(page) == ["postgres", "team/postgres-backup"]
    assert "2 images for “postgres”" in page.text
    assert names(read(found, "/search?q=docker+pull+localhost:5000/postgres:18.3"))[0] == "postgres/-/tags/18.3"
    slipped = read(found, "/search?q=posgtres")
    assert names(slipped)[0] == "postgres"
    assert "Nothing is written like “posgtres”" in slipped.text
    some = read(found, "/search?q=postgres+zeppelin")
    assert "Nothing has all of these words" in some.text
    assert "No image has these words" in read(found, "/search?q=zeppelin").text
    digest = found.get("/v2/postgres/manifests/latest").headers["docker-content-digest"]
    assert names(read(found, f"/search?q={digest}")) == ["postgres"]


def test_pages_of_results_join_and_lead_back(found: Client) -> None:
    seen, path = list[str](), "/search?q=gadget"
    for _ in range(3):
        page = read(found, path)
        seen += names(page)
        following = [link for link in page.links if "page=2" in link and link.startswith("/search")]
        if not following:
            break
        path = following[0]
    assert sorted(seen) == [f"many/gadget-{number:02}" for number in range(MANY)]
    assert any(link.startswith("/search?q=gadget&page=1") for link in read(found, path).links)
    assert read(found, "/search?q=gadget&page=9999").status == 200


def test_filters_are_in_the_address_and_can_be_taken_away(found: Client) -> None:
    page = read(found, "/search?q=postgres&arch=arm64&sort=updated&lang=fr")
    assert names(page) == ["postgres", "team/postgres-backup"]
    assert "/search?q=postgres&sort=updated" in page.links, "the filter's chip leads to the address without it"
    assert names(read(found, "/search?arch=s390x")) == []
    assert "No image has all of these filters" in read(found, "/search?arch=s390x").text
    assert len(names(read(found, "/search?age=week&sort=pulls"))) == 25
    odd_ones = ["kind=%3Cb%3E", "sort=x", "page=-1", "page=1e9", "age=x&age=y", "q=" + "x" * 2000, "q=%F0%9F%90%B3"]
    for odd in (*odd_ones, "q=%22%27%3Cb%3E"):
        answer = found.get(f"/search?{odd}", headers=HTML)
        assert answer.status == 200, odd
        assert b"<b>" not in answer.content.replace(b"<b>0</b>", b""), odd
    assert read(found, "/search?q=%00").status == 400


def test_suggestions_are_a_part_of_a_page(found: Client) -> None:
    answer = found.get("/search/suggest?q=postg", headers=HTML)
    text = answer.content.decode()
    assert answer.status == 200
    assert text.index('href="/r/postgres"') < text.index('href="/r/team/postgres-backup"')
    assert "<mark>postg</mark>res" in text
    assert "<html" not in text
    assert found.get("/search/suggest?q=", headers=HTML).content.strip() == b""
    assert found.get("/search/suggest?q=zeppelin", headers=HTML).content.strip() == b""


def test_the_first_page_of_a_large_hub_has_sections_and_all_by_name(found: Client) -> None:
    page = read(found, "/")
    assert "Just updated" in page.text
    assert "/search?category=databases" in page.links
    seen, path = list[str](), "/?after="
    while path:
        listed = read(found, path)
        seen += names(listed)
        path = next((link for link in listed.links if link.startswith("/?after=") and link != "/?after="), "")
    assert seen == sorted(seen) or seen[0] == "evil/x"
    assert len(seen) == MANY + 3
