"""Pages of a hub that anyone may read: what they say of what was pushed, in both languages, and where their links lead."""

import gzip
import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from support import images
from support.accounts import PASSWORD
from support.http import Client
from support.instance import Instance
from support.reading import read

HTML: Final = {"accept": "text/html"}


@pytest.fixture
def pushed(client: Client, repository: str) -> str:
    """A repository with an index of three platforms under three tags, and an older one under another."""
    images.push(client, repository, images.multi_platform(1), "1.0")
    images.push(client, repository, images.multi_platform(2), "2.0.1", "2", "latest")
    return repository


def test_every_link_of_every_page_leads_somewhere(client: Client, pushed: str) -> None:
    left, seen = ["/", f"/r/{pushed}"], set[str]()
    while left and len(seen) < 60:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        found = read(client, path)
        assert found.status == 200, path
        for link in found.links:
            place = path.partition("?")[0] + link if link.startswith("?") else link
            if place.startswith("/"):
                left.append(place)
    assert {f"/r/{pushed}/-/tags", f"/r/{pushed}/-/tags/2.0.1"} <= seen


def test_the_overview_says_how_to_pull_and_which_version_latest_is(hub: Instance, client: Client, pushed: str) -> None:
    found = read(client, f"/r/{pushed}")
    digest = client.get(f"/v2/{pushed}/manifests/latest").headers["docker-content-digest"]
    host = f"127.0.0.1:{hub.port}" if isinstance(hub, Instance) else client.address[0] + f":{client.address[1]}"
    for tool in ("docker", "podman", "nerdctl", "crane"):
        assert f"{tool} pull {host}/{pushed}:2.0.1" in found.text
    assert "latest is 2.0.1 today" in found.text
    assert f"{host}/{pushed}:2.0.1@{digest}" in found.text
    assert "Platforms 3 linux/amd64, linux/arm64" in found.text
    assert "Runs as root no user is set" in found.text
    assert "Community" not in found.text, "where anyone may push anything, no name tells who did"


def test_a_tag_shows_layers_configuration_aliases_referrers_and_moves(client: Client, repository: str) -> None:
    config: dict[str, Any] = {"User": "web:web", "Env": ["A=b=c"], "Labels": {"x": "<y>"}, "ExposedPorts": {"80/tcp": {}}}
    image = images.image([images.random_layer(7, 5_000)], **config)
    images.push(client, repository, images.simple_image(9), "v1")
    digest = images.push(client, repository, image, "v1", "also-v1")
    images.push_artifact(client, repository, "application/vnd.example.signature", subject=image.manifest.descriptor)
    found = read(client, f"/r/{repository}/-/tags/v1")
    for text in ("1 layer,", "User web:web non-root", "Command /hello", "A=b=c", "x <y>", "80/tcp", "also also-v1"):
        assert text in found.text, text
    assert "application/vnd.example.signature" in found.text
    assert f"@{digest}" in found.text
    assert found.text.count("today · anyone") == 2


def test_the_platform_that_is_asked_for_is_shown(client: Client, pushed: str) -> None:
    shown = {}
    for platform in images.PLATFORMS:
        found = read(client, f"/r/{pushed}/-/tags/latest?platform={platform}")
        shown[platform] = next(text for text in found.text.split(" Download ")[1:2])[:40]
        assert platform in shown[platform]
    assert "linux/amd64" in read(client, f"/r/{pushed}/-/tags/latest?platform=plan9/z80").text.split(" Download ")[1][:40]


def test_many_tags_come_in_parts_that_join(client: Client, repository: str) -> None:
    tags = [f"t{number:03}" for number in range(60)]
    for number, tag in enumerate(tags):
        images.push(client, repository, images.simple_image(number), tag)
    path, seen = f"/r/{repository}/-/tags", list[str]()
    while path:
        text = client.get(path, headers=HTML).content.decode()
        seen += [part.partition(">")[2].partition("<")[0] for part in text.split('class="tagchip tagchip-first"')[1:]]
        path = next((link for link in read(client, path).links if link.startswith("/r/") and "?after=" in link), "")
    assert seen == tags[::-1]


def test_what_is_no_image_says_so(client: Client, repository: str) -> None:
    digest = images.push_artifact(client, repository, "application/vnd.example.thing")
    content = client.get(f"/v2/{repository}/manifests/{digest}").content
    client.put(f"/v2/{repository}/manifests/thing", body=content, headers={"content-type": images.MANIFEST})
    assert f"its type is {images.MANIFEST}" in read(client, f"/r/{repository}/-/tags/thing").text
    assert read(client, f"/r/{repository}").status == 200


HOSTILE: Final = {
    "numbers": {"config": 7, "history": 7, "os": 1, "architecture": []},
    "lists": {
        "config": {"Env": {"a": 1}, "Cmd": {"x": 1}, "Labels": ["l"], "ExposedPorts": [1], "User": 5},
        "history": [1, None, []],
    },
    "markup": {
        "os": "<b>",
        "architecture": "<script>alert(1)</script>",
        "config": {"Cmd": ["</code><script>alert(1)</script>"], "Env": ["</pre><img src=x onerror=alert(1)>=1", "=", ""]},
        "history": [{"created_by": "<svg onload=alert(1)>"}] * 3,
    },
    "much": {"config": {"Env": [f"V{number}=x" for number in range(5_000)], "Labels": {"l": "y" * 100_000}}},
    "nothing": {},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_configuration_of_any_form_is_shown_as_far_as_it_can_be(client: Client, repository: str, kind: str) -> None:
    config = images.blob(images.CONFIG, json.dumps(HOSTILE[kind]).encode())
    layer = images.random_layer(4, 1_000).blob
    images.push_blob(client, repository, config)
    images.push_blob(client, repository, layer)
    body = {"schemaVersion": 2, "mediaType": images.MANIFEST, "config": config.descriptor, "layers": [layer.descriptor]}
    body["annotations"] = {"org.opencontainers.image.source": "javascript:alert(1)", "org.opencontainers.image.licenses": "<i>"}
    images.push_manifest(client, repository, images.blob(images.MANIFEST, json.dumps(body).encode()), "latest")
    for path in (f"/r/{repository}", f"/r/{repository}/-/tags/latest"):
        answer = client.get(path, headers=HTML)
        assert answer.status == 200
        assert len(answer.content) < 200_000
        for each in (b"<script>alert", b"<img", b"<svg onload", b'href="javascript', b"<i>"):
            assert each not in answer.content


def test_what_is_not_there_answers_404_and_what_cannot_be_read_400(client: Client, pushed: str) -> None:
    of_image = [f"/r/{pushed}{rest}" for rest in ("/-/tags/none", "/-/nothing")]
    for path in ("/r/none/such", "/r/UPPER", "/nowhere", "/r/", *of_image):
        assert read(client, path).status == 404, path
    assert "There is no image none/such on these shelves" in read(client, "/r/none/such").text
    assert f"{pushed} has no tag none" in read(client, of_image[0]).text
    assert "There is nothing on this shelf" in read(client, of_image[1]).text
    slash = client.get(f"/r/{pushed}/?lang=fr", headers=HTML)
    assert (slash.status, slash.headers["location"]) == (308, f"/r/{pushed}?lang=fr")
    for path in ("/?lang=%00", f"/?{'a=b&' * 300}", f"/r/{pushed}/-/tags?after=%ff"):
        found = read(client, path)
        assert (found.status, "This address cannot be read" in found.text) == (400, True), path
    assert client.post("/r/none/such", headers=HTML).status == 404


def test_language_and_colours_are_chosen_by_address_cookie_and_browser(client: Client, pushed: str) -> None:
    path = f"/r/{pushed}/-/tags?after=2.0.1"
    french = read(client, path, accept_language="fr-FR")
    assert (french.language, "Ordre" in french.text) == ("fr", True)
    assert read(client, path, accept_language="fr-FR", cookie="x=y; lang=en").language == "en"
    switched = client.get("/?lang=fr&theme=dark", headers=HTML)
    assert b'<html lang="fr" data-theme="dark">' in switched.content
    cookies = switched.headers["set-cookie"]
    assert "lang=fr; Path=/" in cookies
    assert "theme=dark; Path=/" in cookies
    assert "set-cookie" not in client.get("/?lang=xx&theme=red", headers=HTML).headers
    assert {"?after=2.0.1&lang=en", "?after=2.0.1&theme=dark"} <= set(french.links)


def test_programs_are_answered_in_plain_words(client: Client) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"docker push" in answer.content


def test_pages_are_compressed_and_files_kept_and_both_allow_nothing_foreign(client: Client, pushed: str) -> None:
    path = f"/r/{pushed}"
    plain = client.get(path, headers=HTML)
    small = client.get(path, headers={**HTML, "accept-encoding": "gzip"})
    assert small.headers["content-encoding"] == "gzip"
    assert len(small.content) < len(plain.content) / 2
    assert gzip.decompress(small.content)[:200] == plain.content[:200]
    policy = plain.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert client.head(path, headers=HTML).headers["content-length"] == str(len(plain.content))
    loaded = [each.split('"')[0] for each in plain.content.decode().split('"/static/')[1:]]
    assert len(loaded) == 3
    sent = len(small.content)
    for each in loaded:
        file = client.get(f"/static/{each}", headers={"accept-encoding": "gzip"})
        assert (file.status, "immutable" in file.headers["cache-control"]) == (200, True)
        sent += len(file.content)
    assert sent < 60_000, "an overview is to be 60 KB"
    assert client.get("/static/000000000000/entrepot.css", headers=HTML).status == 404


USERS: Final = {"": True, "root": True, "0": True, "00:5": True, "+0": True, "-0": True, "web": False, "10": False, "0x0": False}


@pytest.mark.parametrize(("user", "is_root"), USERS.items())
def test_whoever_is_root_to_a_client_is_root_here(client: Client, repository: str, user: str, *, is_root: bool) -> None:
    config: dict[str, Any] = {"User": user}
    images.push(client, repository, images.image([images.random_layer(5, 900)], **config), "latest")
    assert ("Runs as root" in read(client, f"/r/{repository}").text) == is_root


UNCLEAR: Final = (b'{"config":{"User":"web"},"Config":{"User":"root"}}', b'{"a":1,"a":2}', b"not JSON")


@pytest.mark.parametrize("config", [*UNCLEAR, b'{"os":"\\ud800"}'])
def test_a_configuration_that_clients_may_read_differently_is_not_shown(client: Client, repository: str, config: bytes) -> None:
    made = images.blob(images.CONFIG, config)
    images.push_blob(client, repository, made)
    body = json.dumps({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": made.descriptor, "layers": []}).encode()
    images.push_manifest(client, repository, images.blob(images.MANIFEST, body), "latest")
    found = read(client, f"/r/{repository}/-/tags/latest")
    assert found.status == 200
    assert ("cannot be read here" in found.text) == (config in UNCLEAR)


def test_an_image_of_an_index_that_is_not_there_is_said_not_to_be(client: Client, repository: str) -> None:
    index = images.multi_platform(5)
    images.push(client, repository, index, "v1")
    gone = next(each for each in index.images if each.platform == "linux/arm64")
    assert client.delete(f"/v2/{repository}/manifests/{gone.manifest.digest}").status == 202
    found = read(client, f"/r/{repository}/-/tags/v1?platform=linux/arm64")
    assert "The image for this platform is not here" in found.text


def test_hosts_are_named_so_that_no_tool_takes_them_for_users_of_docker_hub(serve: Callable[..., Instance]) -> None:
    client = serve("named", access="accounts", admin_password=PASSWORD).client()
    hosts = {"registry": "registry:80", "localhost": "localhost", "r.example": "r.example", "[::1]:5000": "[::1]:5000"}
    for host, shown in hosts.items():
        assert f"docker push {shown}/demo/first:1.0" in read(client, "/", host=host).text
