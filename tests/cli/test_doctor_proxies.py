"""Caddy and Traefik in front, each setting of theirs that stops a large upload, and what the doctor says of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.commands import place, run
from support.instance import Instance
from support.processes import free_port
from support.proxies import Caddy, Traefik


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A registry that all of them stand in front of."""
    with Instance(tmp_path_factory.mktemp("hub") / "data", jobs="none") as instance:
        yield instance


def public(registry: Instance, url: str) -> dict[str, Any]:
    """Return what the doctor says of the address, and see that nothing is left of its upload."""
    done = run("doctor", "--json", *place(registry), "--public-url", url)
    found: dict[str, Any] = {each["check"]: each for each in json.loads(done.stdout)}["public URL"]
    assert (done.returncode == 1) == (found["verdict"] == "error")
    assert list((registry.data / "uploads").iterdir()) == []
    return found


def test_caddy_hands_a_large_upload_on_as_it_comes(registry: Instance, tmp_path: Path) -> None:
    with Caddy(tmp_path / "caddy", registry.port) as caddy:
        found = public(registry, caddy.url)
    assert (found["verdict"], "through Caddy" in found["told"]) == ("ok", True)


@pytest.mark.parametrize(
    ("lines", "verdict", "told", "advice"),
    [
        ({"site": "request_body {\n max_size 10MB\n }"}, "error", "413", "request_body max_size"),
        ({"server": "timeouts {\n read_body 10ms\n }"}, "error", "", "read_body"),
        ({"proxy": "request_buffers 300MB"}, "warning", "stored on the way", "request_buffers"),
    ],
)
def test_the_setting_of_caddy_that_stops_uploads_is_named(
    registry: Instance, tmp_path: Path, lines: dict[str, str], verdict: str, told: str, advice: str
) -> None:
    with Caddy(tmp_path / "caddy", registry.port, **lines) as caddy:
        found = public(registry, caddy.url)
    assert found["verdict"] == verdict
    assert told in found["told"]
    assert advice in found["advice"]


def test_a_caddy_that_leads_nowhere_is_told(registry: Instance, tmp_path: Path) -> None:
    with Caddy(tmp_path / "caddy", free_port()) as caddy:
        found = public(registry, caddy.url)
    assert "answered 502" in found["told"]
    assert "reverse_proxy" in found["advice"]


@pytest.mark.long
def test_traefik_hands_a_large_upload_on_as_it_comes(registry: Instance, tmp_path: Path) -> None:
    with Traefik(tmp_path / "traefik", registry.port) as traefik:
        assert public(registry, traefik.url)["verdict"] == "ok"


@pytest.mark.long
@pytest.mark.parametrize(
    ("settings", "verdict", "told", "advice"),
    [
        ({"times": "readTimeout: 100ms"}, "error", "", "respondingTimeouts.readTimeout"),
        ({"buffering": "maxRequestBodyBytes: 10000000"}, "error", "413", "maxRequestBodyBytes"),
        ({"buffering": "memRequestBodyBytes: 1000000"}, "warning", "stored on the way", "buffering middleware"),
    ],
)
def test_the_setting_of_traefik_that_stops_uploads_is_named(
    registry: Instance, tmp_path: Path, settings: dict[str, str], verdict: str, told: str, advice: str
) -> None:
    with Traefik(tmp_path / "traefik", registry.port, **settings) as traefik:
        found = public(registry, traefik.url)
    assert found["verdict"] == verdict
    assert told in found["told"]
    assert advice in found["advice"]


@pytest.mark.long
def test_a_traefik_that_leads_nowhere_is_told(registry: Instance, tmp_path: Path) -> None:
    with Traefik(tmp_path / "traefik", free_port()) as traefik:
        found = public(registry, traefik.url)
    assert "answered 502" in found["told"]
    assert "loadBalancer" in found["advice"]
