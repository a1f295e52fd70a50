"""`docker search` and `podman search` with all their flags, signed out and signed in."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.spec.oci.names import RepositoryName
from support.accounts import PASSWORD, basic
from support.containers import Containers
from support.finding import push
from support.http import Client
from support.instance import Instance
from support.parts import parts
from support.tap import Tap
from support.tools import Program

PUBLIC: Final = {"nginx": 4, "ann/nginx-proxy": 3, "bob/nginx": 0}
HIDDEN: Final = "ann/nginx-secret"
LONG: Final = "Serves pages, balances load, and keeps what was asked for, in very little memory"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A registry with an official image, others that are called alike, and one of ann's alone."""
    with Instance(tmp_path_factory.mktemp("search") / "data", access="accounts", admin_password=PASSWORD) as instance:
        asyncio.run(_fill(instance))
        _wait(instance.client())
        yield instance


async def _fill(hub: Instance) -> None:
    async with parts(Settings(data=str(hub.data), access="open")) as whole:
        stars, users, there = Stars(whole.db, OpenRule()), whole.accounts.users, whole.registry.repositories
        fans = [(await users.add(name, PASSWORD)).id for name in ("ann", "bob", "eve", "joe")]
        for name, count in PUBLIC.items():
            for tag in ("1.25", "latest"):
                await push(whole, name, tag)
            for fan in fans[:count]:
                await stars.give(Actor("fan", account=fan), RepositoryName.parse(name))
        await there.describe(ANYONE, RepositoryName.parse("nginx"), description=LONG)
        await push(whole, HIDDEN)
        await there.set_visibility(ANYONE, RepositoryName.parse(HIDDEN), public=False)


def _wait(client: Client) -> None:
    """Wait until what was pushed is found: two seconds, unless the machine is busy."""
    limit = time.monotonic() + 20
    while client.get("/v1/search?q=nginx").json["num_results"] != len(PUBLIC):
        assert time.monotonic() < limit
        time.sleep(0.1)


def rows(command: Program, *words: str) -> list[list[str]]:
    """Search with docker, and return the columns by which scripts take them apart."""
    told = command.run("search", "--format", "{{.Name}}|{{.StarCount}}|{{.IsOfficial}}|{{.Description}}", *words).stdout
    return [line.split("|") for line in told.splitlines()]


def names(command: Program, *words: str) -> list[str]:
    return [row[0] for row in rows(command, *words)]


def test_docker_shows_the_columns_that_people_know(debian_docker: Program, hub: Instance) -> None:
    head, first, *others = debian_docker.run("search", f"{hub.host}/nginx").stdout.splitlines()
    assert head.split() in (
        ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"],
        ["NAME", "DESCRIPTION", "STARS", "OFFICIAL", "AUTOMATED"],
    )
    assert first.split()[0] == "nginx"
    assert "[OK]" in first
    assert "…" in first
    assert {line.split()[0] for line in others} == {"ann/nginx-proxy", "bob/nginx"}
    whole = debian_docker.run("search", "--no-trunc", f"{hub.host}/nginx").stdout
    assert LONG in whole


def test_docker_chooses_by_its_filters(debian_docker: Program, hub: Instance) -> None:
    term = f"{hub.host}/nginx"
    assert rows(debian_docker, term)[0] == ["nginx", "4", "[OK]", f"{LONG[:44]}…"]
    assert names(debian_docker, "--filter", "is-official=true", term) == ["nginx"]
    assert sorted(names(debian_docker, "--filter", "is-official=false", term)) == ["ann/nginx-proxy", "bob/nginx"]
    # It sorts by stars itself.
    assert names(debian_docker, "--filter", "stars=3", term) == ["nginx", "ann/nginx-proxy"]
    assert names(debian_docker, "--filter", "stars=5", term) == []
    assert len(names(debian_docker, "--limit", "2", term)) == 2
    assert names(debian_docker, f"{hub.host}/nginx proxy") == ["ann/nginx-proxy"]
    assert sorted(names(debian_docker, f"{hub.host}/")) == sorted(PUBLIC)
    assert names(debian_docker, f"{hub.host}/nothing-like-it") == []
    assert names(debian_docker, f"{hub.host}/ngnix") != []


def test_docker_finds_what_is_private_when_it_is_signed_in(debian_docker: Program, hub: Instance) -> None:
    with Tap(hub.port) as tap:
        assert HIDDEN not in names(debian_docker, f"{tap.host}/nginx")
        debian_docker.run("login", "-u", "ann", "-p", PASSWORD, tap.host)
        assert HIDDEN in names(debian_docker, f"{tap.host}/nginx")
        asked = tap.asked("/v1/search")
    # It sends a password by plain HTTP too, to a registry on this machine.
    assert [basic("ann", PASSWORD) in head for head in asked] == [False, True]


def searched(containers: Containers, *words: str) -> list[str]:
    """Search with podman, and return the names that it shows."""
    found: list[dict[str, Any]] = json.loads(
        containers.podman("search", "--tls-verify=false", "--format", "json", *words) or "[]"
    )
    return [each["Name"] for each in found]


def test_podman_shows_what_is_public_with_its_host(containers: Containers, hub: Instance) -> None:
    plain = ("search", "--tls-verify=false")
    head, *lines = containers.podman(*plain, f"{hub.host}/nginx").splitlines()
    assert head.split() == ["NAME", "DESCRIPTION"]
    assert lines[0].split()[0] == f"{hub.host}/nginx"
    ours = [f"{hub.host}/{each}" for each in ("nginx", "bob/nginx", "ann/nginx-proxy")]
    assert searched(containers, f"{hub.host}/nginx") == ours
    assert len(searched(containers, "--limit", "2", f"{hub.host}/nginx")) == 2
    assert searched(containers, "--filter", "is-official", f"{hub.host}/nginx") == [f"{hub.host}/nginx"]
    assert searched(containers, "--filter", "stars=3", f"{hub.host}/nginx") == [ours[0], ours[2]]
    assert LONG in containers.podman(*plain, "--no-trunc", f"{hub.host}/nginx")


def tags(containers: Containers, *words: str) -> list[str]:
    told = containers.podman("search", "--tls-verify=false", "--list-tags", "--format", "json", *words)
    return [tag for each in json.loads(told) for tag in each["Tags"]]


def test_podman_lists_tags(containers: Containers, hub: Instance) -> None:
    assert tags(containers, f"{hub.host}/nginx") == ["1.25", "latest"]
    assert tags(containers, "--limit", "1", f"{hub.host}/nginx") == ["1.25"]


def test_podman_signed_in_searches_as_nobody_and_lists_the_tags_of_what_is_private(containers: Containers, hub: Instance) -> None:
    containers.podman("login", "--tls-verify=false", "-u", "ann", "-p", PASSWORD, hub.host)
    assert sorted(searched(containers, f"{hub.host}/nginx")) == sorted(f"{hub.host}/{each}" for each in PUBLIC)
    assert tags(containers, f"{hub.host}/{HIDDEN}") == ["v1"]
