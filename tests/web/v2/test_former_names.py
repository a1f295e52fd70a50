"""Former names under /v2/: clients go on with them as if nothing had happened, and strangers learn nothing from them."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from conftest import new_database
from entrepot.app.parts import Parts, key_file
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.platform.secrets.keys import ensure_key
from entrepot.spec.oci.names import RepositoryName
from support.accounts import PASSWORD, Signed, basic, bearer, with_accounts
from support.http import Answer
from support.instance import Instance
from support.parts import parts, prepared
from support.wire import Repository, digest_of, plain_headers

_count: Final = itertools.count()
name: Final = RepositoryName.parse


@dataclass
class Hub:
    """A served registry with two users, each with an organisation: ann's is `team`, bob's is `crew`."""

    instance: Instance
    place: Settings

    def repo(self, who: str, stored: str, *, by_token: bool = False) -> Repository:
        """Return a repository as somebody sees it, by their password or by a token for that name."""
        header = basic(who, PASSWORD) if who else None
        if by_token:
            header = bearer(self.instance.client(), header, f"repository:{stored}:pull,push,delete")
        return Repository(Signed(self.instance.url, header), stored)

    def change(self, do: Callable[[Parts], Awaitable[Any]]) -> None:
        """Change something beside the server, as a command does."""

        async def run() -> None:
            async with parts(self.place) as whole:
                await do(whole)

        asyncio.run(run())

    def moved(self, *, public: bool, target: str = "team") -> tuple[str, str, bytes]:
        """Push an image `v1` to a repository of ann's, and rename it; return both names and its manifest."""
        at = next(_count)
        old, new = f"team/old-{at}", f"{target}/new-{at}"
        content = self.repo("ann", old).image("v1")

        async def change(whole: Parts) -> None:
            await whole.registry.repositories.set_visibility(ANYONE, name(old), public=public)
            await whole.registry.repositories.rename(ANYONE, name(old), name(new))

        self.change(change)
        return old, new, content


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    place = prepared(tmp_path_factory.mktemp("names") / "data", new_database(request.param, request))
    ensure_key(key_file(place))

    async def people(who: Any) -> None:
        for user, organisation in (("ann", "team"), ("bob", "crew")):
            await who.users.add(user, PASSWORD)
            await who.organisations.add(organisation, user)

    with_accounts(place, people)
    with Instance(
        Path(place.data), database=place.database, access="accounts", limits="open" if place.database else "hub-2020"
    ) as instance:
        yield Hub(instance, place)


@pytest.mark.parametrize("by_token", [False, True], ids=["directly", "by a token for the former name"])
def test_clients_go_on_with_the_former_name(hub: Hub, by_token: bool) -> None:  # noqa: FBT001
    for who, public in (("", True), ("ann", True), ("ann", False)):
        old, new, content = hub.moved(public=public)
        repo = hub.repo(who, old, by_token=by_token)
        for reference in ("v1", digest_of(content)):
            assert repo.client.get(repo.at(f"manifests/{reference}")).content == content
            assert repo.client.head(repo.at(f"manifests/{reference}")).status == 200
        assert repo.client.get(repo.at(f"blobs/{digest_of(b'layer ')}")).content == b"layer "
        assert repo.client.head(repo.at(f"blobs/{digest_of(b'layer ')}")).status == 200
        assert repo.client.get(repo.at("tags/list")).json == {"name": old, "tags": ["v1"]}
        assert repo.client.get(repo.at(f"referrers/{digest_of(content)}")).status == 200
        if who:
            pushed = repo.image("v2", seed=old)  # whole: uploads in two requests, and the manifest
            assert hub.repo(who, new).client.get(f"/v2/{new}/manifests/v2").content == pushed
            location = repo.begin()
            assert location.startswith(f"/v2/{old}/blobs/uploads/")
            assert repo.client.patch(location, body=b"abc").status == 202
            assert repo.client.get(location).status == 204
            assert repo.client.delete(location).status == 204
            assert repo.client.delete(repo.at("manifests/v2")).status == 202


def test_a_blob_is_mounted_from_a_former_name(hub: Hub) -> None:
    old, _, _ = hub.moved(public=False)
    query = f"?mount={digest_of(b'layer ')}&from={old}"
    ours, theirs = hub.repo("ann", f"ann/mounted-{next(_count)}"), hub.repo("bob", f"bob/mounted-{next(_count)}")
    assert ours.client.post(ours.at(f"blobs/uploads/{query}")).status == 201
    assert theirs.client.post(theirs.at(f"blobs/uploads/{query}")).status == 202


def test_what_one_may_is_decided_by_the_name_of_now(hub: Hub) -> None:
    old, new, content = hub.moved(public=False, target="crew")
    for by_token in (False, True):
        assert hub.repo("bob", old, by_token=by_token).client.get(f"/v2/{old}/manifests/v1").content == content
        assert hub.repo("ann", old, by_token=by_token).client.get(f"/v2/{old}/manifests/v1").status == 401
        assert hub.repo("ann", old, by_token=by_token).client.post(f"/v2/{old}/blobs/uploads/").status == 401
        assert hub.repo("bob", old, by_token=by_token).client.post(f"/v2/{old}/blobs/uploads/").status == 202
    assert hub.repo("bob", new).client.get(f"/v2/{new}/tags/list").status == 200


ASKED: Final = ("manifests/v1", f"blobs/{digest_of(b'layer ')}", "tags/list", f"referrers/{digest_of(b'none')}")


def test_strangers_are_told_of_a_former_name_what_they_are_told_of_none(hub: Hub) -> None:
    old, _, _ = hub.moved(public=False)

    def told(who: str, asked: str, rest: str) -> tuple[Any, ...]:
        answer: Answer = hub.repo(who, asked).client.get(f"/v2/{asked}/{rest}")
        headers = {key: value.replace(asked, "NAME") for key, value in plain_headers(answer).items() if key != "content-length"}
        return answer.status, headers, answer.content.decode().replace(asked, "NAME")

    for who in ("", "bob"):
        for rest in ASKED:
            assert told(who, old, rest) == told(who, "team/never", rest) == told(who, "never/app", rest)


def test_an_archived_repository_refuses_and_says_why(hub: Hub) -> None:
    old, new, content = hub.moved(public=True)
    hub.change(lambda whole: whole.registry.repositories.set_archived(ANYONE, name(new), archived=True))
    for asked in (old, new):
        repo = hub.repo("ann", asked)
        for answer in (
            repo.client.post(repo.at("blobs/uploads/")),
            repo.put("v2", content),
            repo.client.delete(repo.at("manifests/v1")),
        ):
            assert (answer.status, answer.error_code) == (403, "DENIED")
            assert f"{asked} is archived" in answer.json["errors"][0]["message"]
        assert hub.repo("", asked).client.get(repo.at("manifests/v1")).content == content


def test_a_renamed_organisation_goes_on_under_its_former_name_and_nobody_pushes_there_anew(hub: Hub) -> None:
    was, now = (f"{word}-{next(_count)}" for word in ("was", "now"))
    with_accounts(hub.place, lambda who: who.organisations.add(was, "ann"))
    repo = hub.repo("ann", f"{was}/app")
    content = repo.image("v1")
    hub.change(lambda whole: whole.registry.names.rename(was, now, "organisation"))
    assert hub.repo("", f"{was}/app").client.get(f"/v2/{was}/app/manifests/v1").content == content
    hub.repo("ann", f"{was}/made").image("v1")
    assert hub.repo("", f"{now}/made").client.get(f"/v2/{now}/made/manifests/v1").status == 200
    assert hub.repo("bob", f"{was}/made").client.post(f"/v2/{was}/made/blobs/uploads/").status == 401
    hub.change(lambda whole: whole.registry.names.release(was))
    assert hub.repo("ann", f"{was}/app").client.get(f"/v2/{was}/app/manifests/v1").status == 401
