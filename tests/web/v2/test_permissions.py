"""The matrix, against a running server: each kind of person and credential, each request, public, private, absent."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from conftest import new_database
from entrepot.app.parts import Accounts, key_file
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.accounts.model import Place, Scope, Terms
from entrepot.platform.secrets.keys import ensure_key
from entrepot.spec.oci.names import RepositoryName
from support.accounts import PASSWORD, Signed, basic, bearer, with_accounts
from support.everybody import WHO, people
from support.http import Answer
from support.instance import Instance
from support.parts import parts, prepared
from support.wire import Repository, digest_of, plain_headers

_count: Final = itertools.count()


@dataclass
class Hub:
    """A served registry with somebody of each kind."""

    instance: Instance
    place: Settings
    headers: dict[str, str | None]

    def repo(self, who: str, name: str, *, by_token: bool = False, action: str = "pull,push,delete") -> Repository:
        """Return a repository as somebody sees it who sends a password or a secret, or a token that they got for it."""
        header = self.headers[who]
        if by_token:
            header = bearer(self.instance.client(), header, f"repository:{name}:{action}")
        return Repository(Signed(self.instance.url, header), name)

    def made(self, *, public: bool) -> str:
        """Push an image `v1` into a new repository of the organisation, and return its name."""
        name = f"team/app-{next(_count)}"
        self.repo("owner", name).image("v1")
        self.set_visibility(name, public=public)
        return name

    def set_visibility(self, name: str, *, public: bool) -> None:
        async def change() -> None:
            async with parts(self.place) as whole:
                await whole.registry.repositories.set_visibility(ANYONE, RepositoryName.parse(name), public=public)

        asyncio.run(change())


@pytest.fixture(scope="module")
def hub(database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Somebody of each kind, on each database."""
    place = prepared(tmp_path_factory.mktemp("matrix") / "data", new_database(database, request))
    ensure_key(key_file(place))
    with Instance(
        Path(place.data), database=place.database, access="accounts", limits="open", admin_password=PASSWORD
    ) as instance:
        yield Hub(instance, place, with_accounts(place, people))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pull(repo: Repository) -> Answer:
    return repo.client.get(repo.at("manifests/v1"))


def push(repo: Repository) -> Answer:
    return repo.client.post(repo.at("blobs/uploads/"))


def delete(repo: Repository) -> Answer:
    return repo.client.delete(repo.at("manifests/v1"))


ACTIONS: Final[dict[str, tuple[str, Callable[[Repository], Answer], int]]] = {
    "pull": ("r", pull, 200),
    "list": ("r", lambda repo: repo.client.get(repo.at("tags/list")), 200),
    "ask": ("r", lambda repo: repo.client.head(repo.at(f"blobs/{digest_of(b'{}')}")), 200),
    "refer": ("r", lambda repo: repo.client.get(repo.at(f"referrers/{digest_of(b'none')}")), 200),
    "push": ("w", push, 202),
    "delete": ("d", delete, 202),
}


@pytest.mark.parametrize("by_token", [False, True], ids=["directly", "by a token"])
@pytest.mark.parametrize("who", WHO)
def test_everybody_gets_what_they_may_and_nothing_else(hub: Hub, who: str, by_token: bool) -> None:  # noqa: FBT001
    for public in (True, False):
        name = hub.made(public=public)
        for letter, ask, status in ACTIONS.values():
            answer = ask(hub.repo(who, name, by_token=by_token))
            allowed = letter in WHO[who] or (public and letter == "r")
            assert answer.status == (status if allowed else 401), (ask, public, answer)
            if not allowed and answer.content:
                assert answer.json["errors"][0]["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("by_token", [False, True], ids=["directly", "by a token"])
@pytest.mark.parametrize("who", WHO)
def test_a_push_makes_a_repository_for_those_who_may_make_it(hub: Hub, who: str, by_token: bool) -> None:  # noqa: FBT001
    # Whoever was granted names may make what has such a name.
    for name, letter in ((f"team/app-new-{next(_count)}", "w"), (f"team/else-{next(_count)}", "c")):
        allowed = letter in WHO[who] and (letter == "w" or "c" in WHO[who])
        assert push(hub.repo(who, name, by_token=by_token)).status == (202 if allowed else 401)


def test_what_is_hidden_and_what_is_absent_look_alike(hub: Hub) -> None:
    hidden, absent, nowhere = hub.made(public=False), "team/app-none", "no-such-team/app"
    for who in ("nobody", "stranger", "owner, token public-read"):
        for _, ask, _ in ACTIONS.values():
            seen = []
            for name in (hidden, absent, nowhere):
                answer = ask(hub.repo(who, name))
                told = {
                    key: value.replace(name, "NAME") for key, value in plain_headers(answer).items() if key != "content-length"
                }
                seen.append((answer.status, told, answer.content.decode().replace(name, "NAME")))
            assert seen[0] == seen[1] == seen[2], who
            assert 'scope="repository:NAME:' in seen[0][1]["www-authenticate"]
            assert ('error="insufficient_scope"' in seen[0][1]["www-authenticate"]) == (who != "nobody")


def test_what_is_absent_is_told_to_those_who_may_read_it(hub: Hub) -> None:
    for who in ("owner", "reader", "robot, read", "admin"):
        answer = pull(hub.repo(who, "team/app-none"))
        assert (answer.status, answer.error_code) == (404, "NAME_UNKNOWN")


def test_the_catalogue_has_what_the_caller_may_see(hub: Hub) -> None:
    public, private = hub.made(public=True), hub.made(public=False)
    elsewhere = f"owner/app-{next(_count)}"
    hub.repo("owner", elsewhere).image("v1")
    hub.set_visibility(elsewhere, public=False)
    for who, letters in WHO.items():
        seen: list[str] = []
        path = "/v2/_catalog?n=2"
        while path:
            answer = hub.repo(who, public).client.get(path)
            assert len(answer.json["repositories"]) <= 2
            seen += answer.json["repositories"]
            path = answer.headers.get("link", "").partition(">")[0].strip("<")
        assert public in seen, who
        assert (private in seen) == ("r" in letters), who
        is_owners = who in ("owner", "admin", "owner, token for another") or (who.startswith("owner, token") and "r" in letters)
        assert (elsewhere in seen) == is_owners, who


def test_a_mount_needs_no_more_than_its_source_and_tells_nothing_of_it(hub: Hub) -> None:
    source, target = hub.made(public=False), f"stranger/app-{next(_count)}"
    digest = digest_of(b"layer ")
    for query in (f"?mount={digest}&from={source}", f"?mount={digest}&from=no-such/one", f"?mount={digest}"):
        for by_token in (False, True):
            repo = hub.repo("stranger", target, by_token=by_token)
            assert repo.client.post(repo.at(f"blobs/uploads/{query}")).status == 202
    repo = hub.repo("owner", f"owner/app-{next(_count)}")
    assert repo.client.post(repo.at(f"blobs/uploads/?mount={digest}&from={source}")).status == 201


def test_names_of_one_segment_are_for_administrators(hub: Hub) -> None:
    answer = push(hub.repo("stranger", "nginx"))
    assert (answer.status, answer.error_code) == (403, "DENIED")
    assert "push to stranger/nginx instead" in answer.json["errors"][0]["message"]
    assert push(hub.repo("nobody", "nginx")).status == 401
    repo = hub.repo("admin", f"official-{next(_count)}")
    repo.image("v1")
    assert pull(hub.repo("nobody", repo.name)).status == 200


def test_an_administrators_push_makes_an_organisation_that_is_theirs(hub: Hub) -> None:
    name = f"new-{next(_count)}"
    hub.repo("admin", f"{name}/app").image("v1")
    assert push(hub.repo("stranger", f"{name}/app")).status == 401
    found = with_accounts(hub.place, lambda who: who.organisations.members(name, "", 10))
    assert [(each.name, each.place) for each in found] == [("admin", Place.OWNER)]


def test_what_a_plan_refuses_is_told_with_what_would_allow_it(hub: Hub) -> None:
    team = f"planned-{next(_count)}"

    async def organisation(who: Accounts) -> None:
        await who.organisations.add(team, "owner")
        await who.organisations.set_visibility(team, public=False)

    with_accounts(hub.place, organisation)
    repo = hub.repo("owner", f"{team}/one")
    repo.image("v1")
    assert pull(hub.repo("stranger", f"{team}/one")).status == 401
    answer = push(hub.repo("owner", f"{team}/two"))
    assert (answer.status, answer.error_code) == (403, "DENIED")
    said = "has 1 private repository, and its plan free allows no more"
    assert f"{team} {said}" in answer.json["errors"][0]["message"]
    with_accounts(hub.place, lambda who: who.plans.give(team, "team"))
    assert push(hub.repo("owner", f"{team}/two")).status == 202


def test_a_user_pushes_into_their_own_namespace(hub: Hub) -> None:
    repo = hub.repo("stranger", f"stranger/app-{next(_count)}")
    repo.image("v1")
    assert pull(hub.repo("nobody", repo.name)).status == 200
    hub.set_visibility(repo.name, public=False)
    assert pull(hub.repo("nobody", repo.name)).status == 401
    assert pull(repo).status == 200


def test_a_token_for_tags_moves_no_others(hub: Hub) -> None:
    terms = Terms(Scope.DELETE, ("team/app-*",), ("dev-*",))
    _, secret = with_accounts(hub.place, lambda who: who.credentials.add_personal("owner", "tags", terms))
    repo = Repository(Signed(hub.instance.url, basic("owner", secret)), f"team/app-{next(_count)}")
    content = repo.image("dev-1")
    assert repo.put("v1", content).status == 401
    assert repo.put(f"{digest_of(content)}?tag=dev-2&tag=latest", content).status == 401
    assert repo.put("dev-2", content).status == 201
    assert repo.client.delete(repo.at("manifests/dev-2")).status == 202
    assert repo.client.delete(repo.at(f"manifests/{digest_of(content)}")).status == 401  # other tags may stand on it
