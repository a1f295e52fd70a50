"""Limits on pulls: what counts, for whom, what is told, and that not one pull too many is allowed."""

import itertools
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from support.accounts import PASSWORD, Signed, basic, bearer, with_accounts
from support.commands import run
from support.http import Answer
from support.images import MANIFEST
from support.instance import Instance
from support.nodes import Nodes
from support.postgres import Cluster
from support.valkey import Valkey
from support.wire import Repository, descriptor, encoded

LIMIT: Final = 100
_addresses: Final = itertools.count(1)


def serving(folder: Path, **settings: Any) -> Instance:
    proxies = "127.0.0.0/8,10.9.0.0/16"
    return Instance(folder / "data", access="accounts", admin_password=PASSWORD, trusted_proxies=proxies, workers=2, **settings)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with serving(tmp_path_factory.mktemp("limits")) as instance:
        with_accounts(Settings(data=str(instance.data)), lambda who: who.users.add("ann", PASSWORD))
        yield instance


@pytest.fixture
def ours(hub: Instance) -> Repository:
    """A repository as its owner sees it, who comes from this machine."""
    return Repository(Signed(hub.url, basic("admin", PASSWORD)), f"team/app-{next(_addresses)}")


@pytest.fixture
def address() -> str:
    """An address that nobody came from yet."""
    return f"203.0.113.{next(_addresses)}"


def pull(
    hub: Instance, name: str, address: str, reference: str = "v1", *, header: str | None = None, method: str = "GET", **more: str
) -> Answer:
    headers = {"X-Forwarded-For": address, **({"Authorization": header} if header else {}), **more}
    return hub.client().request(method, f"/v2/{name}/manifests/{reference}", headers=headers)


def test_an_account_with_a_plan_that_says_so_pulls_any_number(hub: Instance, ours: Repository, address: str) -> None:
    async def paying(who: Accounts) -> None:
        await who.users.add("paul", PASSWORD)
        await who.plans.give("paul", "pro")

    with_accounts(Settings(data=str(hub.data)), paying)
    ours.image("v1")
    assert told(pull(hub, ours.name, address, header=basic("paul", PASSWORD))) == (200, "", "", "")
    assert told(pull(hub, ours.name, address))[:3] == (200, "100;w=21600", "99;w=21600")


def told(answer: Answer) -> tuple[int, str, str, str]:
    limit, remaining, source = (
        answer.headers.get(name, "") for name in ("ratelimit-limit", "ratelimit-remaining", "docker-ratelimit-source")
    )
    return answer.status, limit, remaining, source


def left(hub: Instance, name: str, address: str, **more: Any) -> int:
    return int(pull(hub, name, address, method="HEAD", **more).headers["ratelimit-remaining"].partition(";")[0])


def test_the_pull_after_the_last_one_is_refused_in_the_words_that_clients_know(
    hub: Instance, ours: Repository, address: str
) -> None:
    ours.image("v1")
    assert told(pull(hub, ours.name, address)) == (200, "100;w=21600", "99;w=21600", address)
    for remaining in range(LIMIT - 2, -1, -1):
        assert told(pull(hub, ours.name, address))[2] == f"{remaining};w=21600"
    refused = pull(hub, ours.name, address)
    assert told(refused) == (429, "100;w=21600", "0;w=21600", address)
    assert refused.error_code == "TOOMANYREQUESTS"
    assert "You have reached your pull rate limit" in refused.json["errors"][0]["message"]
    assert "docker login" in refused.json["errors"][0]["message"]
    assert 21_000 < int(refused.headers["retry-after"]) <= 21_900
    assert told(pull(hub, ours.name, address, method="HEAD")) == (200, "100;w=21600", "0;w=21600", address)
    assert pull(hub, ours.name, address, header=basic("ann", PASSWORD)).status == 200


def test_what_is_no_pull_of_an_image_is_not_counted(hub: Instance, ours: Repository, address: str) -> None:
    image = ours.image("v1")
    ours.index("index", image)
    ours.image("refers", subject=descriptor(image, MANIFEST))
    ours.image("sha256-0000.sig", seed="signature")
    attestation = encoded(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(b"{}"),
            "layers": [{**descriptor(b"layer "), "mediaType": "application/vnd.in-toto+json"}],
        }
    )
    assert ours.put("attested", attestation).status == 201
    for reference in ("index", "refers", "sha256-0000.sig", "attested"):
        assert pull(hub, ours.name, address, reference).status == 200
    assert pull(hub, ours.name, address, "none").status == 404
    assert pull(hub, "team/nothing", address).status == 401
    etag = pull(hub, ours.name, address, method="HEAD").headers["etag"]
    assert pull(hub, ours.name, address, **{"If-None-Match": etag}).status == 304
    assert left(hub, ours.name, address) == LIMIT
    pull(hub, ours.name, address)
    assert left(hub, ours.name, address) == LIMIT - 1


def test_when_nothing_is_left_an_index_is_refused_too(hub: Instance, ours: Repository, address: str) -> None:
    ours.index("index", ours.image("v1"))
    for _ in range(LIMIT):
        assert pull(hub, ours.name, address).status == 200
    assert pull(hub, ours.name, address, "index").status == 429


def test_accounts_have_more_and_are_counted_wherever_they_come_from(hub: Instance, ours: Repository) -> None:
    ours.image("v1")
    directly, by_token = basic("ann", PASSWORD), bearer(hub.client(), basic("ann", PASSWORD), f"repository:{ours.name}:pull")
    before = left(hub, ours.name, "198.51.100.1", header=directly)
    for address, header in (("198.51.100.1", directly), ("198.51.100.2", by_token)):
        assert told(pull(hub, ours.name, address, header=header))[1::2] == ("200;w=21600", "ann")
    assert left(hub, ours.name, "198.51.100.3", header=directly) == before - 2
    assert left(hub, ours.name, "198.51.100.1") == LIMIT


@pytest.mark.parametrize("near", ["10.1.2.3", "192.168.1.1", "fd00::1", "fe80::1", "::1", "127.0.0.1"])
def test_neighbours_are_not_counted(hub: Instance, ours: Repository, near: str) -> None:
    ours.image("v1")
    assert told(pull(hub, ours.name, near)) == (200, "", "", "")


@pytest.mark.parametrize(
    ("forwarded", "counts_for"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("1.1.1.1, 192.0.2.8", "192.0.2.8"),
        ("192.0.2.9, 10.9.1.1", "192.0.2.9"),
        ("192.0.2.10:4711", "192.0.2.10"),
        ("[2001:db8:1::7]:443", "2001:db8:1::"),
        ("2001:db8:2:0:1::7", "2001:db8:2::"),
        ("nonsense, 192.0.2.11", "192.0.2.11"),
    ],
)
def test_the_address_is_the_one_that_trusted_proxies_saw(
    hub: Instance, ours: Repository, forwarded: str, counts_for: str
) -> None:
    ours.image("v1")
    assert told(pull(hub, ours.name, forwarded))[3] == counts_for


def test_failed_sign_ins_count_for_the_address_that_trusted_proxies_saw(hub: Instance, address: str) -> None:
    wrong = {"Authorization": basic(f"nobody-{address}", "wrong password")}

    def sign_in(address: str) -> int:
        return hub.client().get("/token", headers={**wrong, "X-Forwarded-For": address}).status

    assert [sign_in(address) for _ in range(11)] == [401] * 10 + [429]
    assert sign_in("192.0.2.77") == 401


def test_nobody_else_is_believed(tmp_path: Path) -> None:
    with Instance(tmp_path / "data", access="accounts", admin_password=PASSWORD) as instance:
        Repository(Signed(instance.url, basic("admin", PASSWORD)), "team/app").image("v1")
        assert told(pull(instance, "team/app", "203.0.113.250")) == (200, "", "", ""), "it comes from this machine"


def test_many_at_once_are_not_one_too_many(hub: Instance, ours: Repository, address: str) -> None:
    ours.image("v1")
    with ThreadPoolExecutor(64) as pool:
        statuses = Counter(pool.map(lambda _: pull(hub, ours.name, address).status, range(LIMIT + 60)))
    assert statuses == {200: LIMIT, 429: 60}


def test_what_was_counted_is_counted_after_a_restart(tmp_path: Path, address: str) -> None:
    instance = serving(tmp_path)
    ours = Repository(Signed(instance.url, basic("admin", PASSWORD)), "team/app")
    ours.image("v1")
    for _ in range(3):
        pull(instance, ours.name, address)
    instance.stop()
    with serving(tmp_path) as again:
        assert left(again, ours.name, address) == LIMIT - 3


def test_a_dry_run_refuses_nothing_and_tells_all(tmp_path: Path, address: str) -> None:
    with serving(tmp_path, limits_dry_run=True) as instance:
        ours = Repository(Signed(instance.url, basic("admin", PASSWORD)), "team/app")
        ours.image("v1")
        for _ in range(LIMIT + 1):
            answer = pull(instance, ours.name, address)
        assert told(answer)[:3] == (200, "100;w=21600", "0;w=21600")
        assert instance.log.read_text().count("pull_beyond_the_limit") == 1


def test_scripts_that_look_what_is_left_find_it_where_they_look(hub: Instance, address: str) -> None:
    token = bearer(hub.client(), None, "repository:ratelimitpreview/test:pull")
    for method in ("HEAD", "GET"):
        answer = pull(hub, "ratelimitpreview/test", address, "latest", header=token, method=method)
        assert told(answer) == (200, "100;w=21600", "100;w=21600", address)


def test_several_nodes_count_together_and_let_go_when_the_counts_are_away(
    tmp_path: Path, postgres: Cluster, address: str
) -> None:
    proxies, database = "127.0.0.0/8", postgres.new_database()
    with (
        Valkey() as valkey,
        Nodes(
            tmp_path,
            database,
            access="accounts",
            admin_password=PASSWORD,
            trusted_proxies=proxies,
            redis=valkey.url,
            public_url="",
        ) as nodes,
    ):
        one, other = nodes.nodes
        Repository(Signed(one.url, basic("admin", PASSWORD)), "team/app").image("v1")
        with ThreadPoolExecutor(16) as pool:
            asked = (pool.submit(pull, (one, other)[number % 2], "team/app", address) for number in range(LIMIT + 20))
            assert Counter(each.result().status for each in list(asked)) == {200: LIMIT, 429: 20}
        valkey.kill()
        answers = [pull(each, "team/app", address) for each in (one, other) for _ in range(2)]
        assert {told(answer) for answer in answers} == {(200, "", "", "")}
        assert 'entrepot_failures_total{of="limits"} 2' in one.client().get("/metrics").content.decode()
        valkey.start()


def test_several_nodes_do_not_begin_to_count_each_for_itself(tmp_path: Path, postgres: Cluster) -> None:
    words = ["--access", "accounts", "--data", str(tmp_path), "--database", postgres.new_database(), "--admin-password", PASSWORD]
    done = run("serve", "--listen", "127.0.0.1:1", *words)
    assert done.returncode == 1
    assert "use --limits open" in done.stderr
