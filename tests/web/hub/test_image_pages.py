"""An image's further pages: tags in versions' order and grouped, comparing, quality signals, stars, badges, pulls."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from support import images
from support.http import Client
from support.instance import Instance
from support.reading import read

HTML: Final = {"accept": "text/html"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Instance(Path(tmp_path_factory.mktemp("images")), workers=1) as instance:
        yield instance.client()


def chips(client: Client, path: str) -> list[list[str]]:
    """Return the tags of each group of a page of tags."""
    text = client.get(path, headers=HTML).content.decode()
    groups = text.split('<article class="taggroup"')[1:]
    return [[part.partition(">")[2].partition("<")[0] for part in group.split('class="tagchip')[1:]] for group in groups]


def test_tags_stand_in_the_order_of_versions_each_image_once(own: Client) -> None:
    for number, tags in enumerate((["1.9", "1"], ["1.10.0-rc.1"], ["1.10.0", "1.10", "latest"], ["edge"])):
        images.push(own, "tags/versions", images.simple_image(number), *tags)
    path = "/r/tags/versions/-/tags"
    assert chips(own, path) == [["1.10.0", "1.10", "latest"], ["1.10.0-rc.1"], ["1.9", "1"], ["edge"]]
    assert chips(own, f"{path}?order=name") == [["1", "1.9"], ["1.10", "1.10.0", "latest"], ["1.10.0-rc.1"], ["edge"]]
    assert [group[0] for group in chips(own, f"{path}?order=pushed")] == ["edge", "latest", "1.10.0-rc.1", "1"]
    assert chips(own, f"{path}?tag=rc") == [["1.10.0-rc.1"]]
    assert chips(own, f"{path}?tag=1.10.0&order=name") == [["1.10.0", "1.10", "latest"], ["1.10.0-rc.1"]]
    assert "No tag has “%_” in its name" in read(own, f"{path}?tag=%25_").text


def test_an_image_with_very_many_tags_stands_once_and_hides_no_other(own: Client) -> None:
    images.push(own, "tags/many", images.simple_image(40), *(f"1.0.{number}" for number in range(70)))
    for number in range(30):
        images.push(own, "tags/many", images.simple_image(50 + number), f"2.0.{number}", f"0.9.{number}")
    for order in ("version", "name", "pushed"):
        path, groups = f"/r/tags/many/-/tags?order={order}", list[list[str]]()
        while path:
            found = chips(own, path)
            assert found, "no page is empty"
            groups += found
            path = next((link for link in read(own, path).links if "after=" in link and "/-/tags" in link), "")
        firsts = [group[0] for group in groups]
        assert len(firsts) == len(set(firsts)) == 31
    assert "and 61 more" in read(own, "/r/tags/many/-/tags?tag=1.0.").text


def test_an_index_has_its_platforms_with_their_sizes(own: Client) -> None:
    images.push(own, "tags/index", images.multi_platform(3), "2.0")
    end = time.monotonic() + 15
    while "linux/arm64" not in (page := read(own, "/r/tags/index/-/tags")).text:
        assert time.monotonic() < end, "nobody looked into the image"
        time.sleep(0.1)
    assert "/r/tags/index/-/tags/2.0?platform=linux/amd64" in page.links


def test_two_tags_are_compared_line_by_line(own: Client) -> None:
    base = images.random_layer(1, 4_000)
    old: dict[str, Any] = {"Env": ["A=1", "B=2"], "User": "web"}
    images.push(own, "compare/app", images.image([base, images.random_layer(2, 500)], **old), "1.0")
    images.push(own, "compare/app", images.image([base, images.random_layer(3, 900)], **{**old, "Env": ["A=1", "B=3"]}), "1.1")
    page = read(own, "/r/compare/app/-/compare")
    assert "From 1.0 to 1.1:" in page.text
    assert "gone - ENV B=2" in page.text
    assert "new + ENV B=3" in page.text
    assert "Layers 1 of 2 differ" in page.text
    assert "1.1 and 1.1 are the same image" in read(own, "/r/compare/app/-/compare?from=1.1&to=1.1").text
    assert "less to download" in read(own, "/r/compare/app/-/compare?from=1.1&to=1.0").text
    assert "There is no tag none here" in read(own, "/r/compare/app/-/compare?from=none&to=1.0").text
    assert read(own, "/r/compare/app/-/compare?from=%2F").status in (400, 404)
    images.push(own, "compare/one", images.simple_image(8), "1.0")
    assert "Two images are needed" in read(own, "/r/compare/one/-/compare").text


def test_signals_say_what_they_were_computed_from(own: Client) -> None:
    images.push(own, "signals/bare", images.simple_image(5), "latest")
    text = read(own, "/r/signals/bare").text
    for said in (
        "Rarely pulled: warning 0 pulls in 90 days",
        "No documentation: warning",
        "Source not visible: warning",
        "Runs as root: warning",
    ):
        assert said in text
    assert "No version tags: warning no tag is a version" in text
    assert "Fresh: good pushed within a month" in text
    labels: dict[str, Any] = {"Labels": {"org.opencontainers.image.source": "https://git.example.org/x"}, "User": "10"}
    images.push(own, "signals/kept", images.image([images.random_layer(6, 700)], **labels), "1.0.0", "latest")
    kept = read(own, "/r/signals/kept").text
    for said in ("Source visible: good", "Tags follow versions: good", "Runs as non-root: good"):
        assert said in kept


def test_a_newer_version_than_latest_is_told(own: Client) -> None:
    images.push(own, "latest/behind", images.simple_image(11), "1.0.0", "latest")
    images.push(own, "latest/behind", images.simple_image(12), "2.0.0-rc.1")
    assert "A newer version" not in read(own, "/r/latest/behind").text, "a candidate is none"
    images.push(own, "latest/behind", images.simple_image(13), "2.0.0")
    page = read(own, "/r/latest/behind")
    assert "A newer version is here: 2.0.0." in page.text
    assert "/r/latest/behind/-/compare?from=1.0.0&to=2.0.0" in page.links


def test_pulls_of_days_and_of_tags_are_shown(own: Client) -> None:
    images.push(own, "pulls/shown", images.simple_image(21), "1.0")
    for _ in range(3):
        assert own.get("/v2/pulls/shown/manifests/1.0").status == 200
    end = time.monotonic() + 15
    while "Pulls per day over 90 days" not in own.get("/r/pulls/shown", headers=HTML).content.decode():
        assert time.monotonic() < end, "they are not written down"
        time.sleep(0.2)
    assert "asked for 3 times, last today" in read(own, "/r/pulls/shown/-/tags").text


def test_badges_are_pictures_that_say_no_more_than_pages(own: Client) -> None:
    images.push(own, "badges/app", images.simple_image(31), "1.2.3")
    for name, said in (("pulls", "pulls: 0"), ("stars", "stars: 0"), ("version", "version: 1.2.3")):
        answer = own.get(f"/r/badges/app/-/badge/{name}.svg")
        assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml; charset=utf-8")
        assert f"<title>{said}</title>" in answer.content.decode()
        assert "sandbox" in answer.headers["content-security-policy"]
    assert own.get("/r/badges/app/-/badge/other.svg").status == 404
    assert own.get("/r/badges/none/-/badge/pulls.svg").status == 404
