"""What people see whose push meets a read-only registry: the reason, and at once, because these clients do not go on trying."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from entrepot.base.settings import Settings
from support.clients import Crane, Oras, Skopeo
from support.instance import Instance
from support.modes import change
from support.tools import Program

REASON: Final = "moving to the new machine"
SAID: Final = f"this registry is read-only at the moment ({REASON}): pulls go on"
AT_ONCE_S: Final = 20.0  # docker goes on for 50 seconds after an answer of 503, and then shows nothing of it


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Instance(tmp_path_factory.mktemp("hub") / "data") as instance:
        change(Settings(data=str(instance.data)), read_only=True, reason=REASON)
        yield instance


@pytest.fixture
def at_once() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < AT_ONCE_S


@pytest.mark.usefixtures("at_once")
def test_docker(hub: Instance, debian_docker: Program, alpine: Path) -> None:
    debian_docker.run("load", "--input", str(alpine))
    name = f"{hub.host}/demo/alpine:v1"
    debian_docker.run("tag", "alpine:3.10", name)
    done = debian_docker.run("push", name, check=False)
    assert done.returncode == 1
    assert SAID in done.stdout + done.stderr


@pytest.mark.usefixtures("at_once")
def test_skopeo(hub: Instance, skopeo: Skopeo, layout: Path) -> None:
    target = f"docker://{hub.host}/demo/x:v1"
    assert SAID in skopeo.run("copy", "--dest-tls-verify=false", f"oci:{layout}:single", target, check=False)


@pytest.mark.usefixtures("at_once")
def test_crane(hub: Instance, crane: Crane, layout: Path) -> None:
    assert SAID in crane.run("push", "--index", str(layout), f"{hub.host}/demo/x:v1", check=False)


@pytest.mark.usefixtures("at_once")
def test_oras(hub: Instance, oras: Oras, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    assert SAID in oras.run("push", f"{hub.host}/demo/x:v1", "notes.txt", check=False)
