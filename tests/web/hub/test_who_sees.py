"""What pages show to whom: nobody has signed in, so that what is private is as absent as what is not there."""

import json
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from support import images
from support.accounts import PASSWORD, Signed, basic
from support.http import Client
from support.instance import Instance
from support.reading import read

JSON: Final = {"content-type": "application/json"}
pytestmark = pytest.mark.single


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A hub with accounts, a public and a private image."""
    data = tmp_path_factory.mktemp("pages") / "data"
    with Instance(data, access="accounts", admin_password=PASSWORD) as instance:
        admin = Signed(instance.url, basic("admin", PASSWORD))
        for name in ("team/shown", "team/secret", "team/old"):
            images.push(admin, name, images.simple_image(1), "v1")
        change(admin, "secret", {"is_private": True})
        change(admin, "shown", {"description": 'A <b>"fine"</b> tool', "readme": "# Use\n\n<script>alert(1)</script>\n\n`x`"})
        change(admin, "old", {"name": "team/new"})
        yield instance


def change(admin: Client, name: str, what: dict[str, object]) -> None:
    """Change a repository."""
    answer = admin.request("PATCH", f"/api/v1/repositories/team/{name}", body=json.dumps(what).encode(), headers=JSON)
    assert answer.status == 200, answer


def test_what_is_private_looks_like_what_is_not_there(instance: Instance) -> None:
    client = instance.client()
    paths = [f"/r/team/{name}{rest}" for rest in ("", "/-/tags", "/-/tags/v1") for name in ("secret", "absent")]
    pages = [client.get(path, headers={"accept": "text/html"}) for path in paths]
    assert {page.status for page in pages} == {404}
    for hidden, absent in zip(pages[::2], pages[1::2], strict=True):
        assert hidden.content.replace(b"secret", b"absent") == absent.content
    assert "team/secret" not in read(client, "/").text


def test_what_an_image_says_of_itself_is_shown_and_does_nothing(instance: Instance) -> None:
    client = instance.client()
    found = read(client, "/r/team/shown")
    assert 'A <b>"fine"</b> tool' in found.text
    assert "readme-use" in found.ids
    assert "Community" in found.text
    assert b"<script>alert" not in client.get("/r/team/shown", headers={"accept": "text/html"}).content
    assert 'A <b>"fine"</b> tool' in read(client, "/").text


def test_a_former_name_leads_to_the_page_of_the_new_one(instance: Instance) -> None:
    for rest in ("", "/-/tags", "/-/tags/v1"):
        answer = instance.client().get(f"/r/team/old{rest}", headers={"accept": "text/html"})
        assert (answer.status, answer.headers["location"]) == (308, f"/r/team/new{rest}")


def test_an_empty_hub_shows_the_first_steps_for_this_host(serve: Callable[..., Instance]) -> None:
    hub = serve("empty", access="accounts", admin_password=PASSWORD)
    found = read(hub.client(), "/")
    for command in ("docker login", "docker tag alpine:3.23", "docker push"):
        assert f"{command} {hub.host.replace('localhost', '127.0.0.1')}" in found.text, found.text
    assert "insecure-registries" in found.text
    assert "Premiers pas" in read(hub.client(), "/?lang=fr").title


def test_a_closed_hub_shows_nothing(serve: Callable[..., Instance]) -> None:
    hub = serve("closed", access="accounts", admin_password=PASSWORD, anonymous="none")
    images.push(Signed(hub.url, basic("admin", PASSWORD)), "team/shown", images.simple_image(1), "v1")
    client = hub.client()
    assert read(client, "/r/team/shown").status == 404
    first = read(client, "/")
    assert (first.status, "Nothing here is public yet" in first.text) == (200, True)
    assert "team/shown" not in first.text
