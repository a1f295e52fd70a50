"""docs/cluster.md followed from nothing to two nodes, with a balancer: commands and nginx's configuration are the page's own."""

import gzip
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from entrepot import __version__
from support import nginx
from support.accounts import Signed, basic
from support.http import Client
from support.images import sha256
from support.instance import Instance, as_people_have, surroundings
from support.pages import Page
from support.postgres import Cluster
from support.processes import Server, accepts, children_named, free_port
from support.s3 import _GRPC_PORTS, _PORTS, _free_ports
from support.tools import PROJECT, cache, program
from support.valkey import Valkey
from support.wire import Repository

_PAGE: Final = Page("cluster.md")
_TITLE: Final = "From nothing to two nodes"
_ALPINE: Final = PROJECT / "tests" / "vectors" / "alpine-310.tar.gz"
_LIMIT_S: Final = 300.0
# Where else is tried what a section says.
_TRIED: Final = {
    "When a node dies, is cut off or freezes": ("cluster/test_disasters.py", "cluster/test_frozen.py", "cluster/test_hopping.py"),
    "When the database is away": ("serving/test_database_away.py", "platform/db/test_watch.py"),
    "Through PgBouncer": ("serving/test_pooler.py", "platform/db/test_pooler.py"),
    "When the object store is away or fails": ("cluster/test_store_in_trouble.py",),
    "Which settings are whose": ("cluster/test_clocks.py",),
    "Upgrading": ("migrations/test_rolling.py",),
    "With containers": ("packaging/test_containers.py",),
}


@pytest.mark.fast
@pytest.mark.parametrize(("section", "files"), _TRIED.items())
def test_what_is_tried_elsewhere_is_still_there(section: str, files: tuple[str, ...]) -> None:
    assert _PAGE.section(section)
    assert all((PROJECT / "tests" / file).exists() for file in files)


@dataclass(frozen=True, slots=True)
class Followed:
    """What has come of the page's commands: two nodes that serve, their main processes, and all that was printed."""

    folder: Path
    ports: tuple[int, int]
    pids: tuple[int, int]
    said: str
    shell: int

    def settings(self) -> dict[str, str]:
        """Return what the nodes share."""
        return dict(each.partition("=")[::2] for each in shlex.split((self.folder / "etc" / "nodes.env").read_text("utf-8")))

    def client(self, node: int = 0) -> Client:
        """Return a client of one of the nodes that has signed in."""
        return self.signed(f"http://127.0.0.1:{self.ports[node]}")

    def signed(self, url: str) -> Client:
        """Return a client that has signed in."""
        return Signed(url, basic("admin", self.settings()["ENTREPOT_ADMIN_PASSWORD"]))


def wrapper(folder: Path, name: str, *command: str, environment: dict[str, str] | None = None) -> None:
    """Make a command of this name that runs another one, so that the page's own words find it."""
    variables = [f"{key}={value}" for key, value in (environment or {}).items()]
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(["env", *variables, *command])} "$@"\n', "utf-8")
    (folder / name).chmod(0o755)


def make_programs(folder: Path, postgres: Cluster) -> None:
    """Make what the page installs: each is the real program, told where this test's server or policy is."""
    wrapper(folder, "entrepot", sys.executable, "-m", "entrepot")
    wrapper(folder, "weed", str(Path(sys.executable).with_name("weed")))
    skopeo, server = program("skopeo"), program("postgres")
    wrapper(folder, "skopeo", str(skopeo.path), "--policy", str(cache() / "policy.json"), environment=skopeo.environment)
    where = ("--host=127.0.0.1", f"--port={postgres.port}", "--username=entrepot", "--dbname=postgres", "--no-psqlrc")
    for name, options in (("psql", where), ("pg_dump", ()), ("pg_restore", ())):
        wrapper(folder, name, str(server.path.resolve().with_name(name)), *options, environment=server.environment)
    (folder / "sudo").write_text('#!/bin/sh\n[ "$1 $2" = "-u postgres" ] || exit 1\nshift 2\nexec "$@"\n', "utf-8")
    (folder / "sudo").chmod(0o755)


def commands(folder: Path, postgres: Cluster, valkey: Valkey, ports: tuple[int, int]) -> str:
    """Return the page's commands after the installation, with this test's folders and ports in the place of the machine's."""
    _, *blocks = _PAGE.blocks(_TITLE)
    text = "\n".join(f"echo 'step {number}'\n{block}" for number, block in enumerate(blocks))
    weed = dict(zip((*_PORTS, *_GRPC_PORTS), _free_ports(len(_PORTS) * 2), strict=True))
    for old, new in (
        ("/etc/entrepot", str(folder / "etc")),
        ("/var/lib/entrepot", str(folder / "nodes")),
        ("/var/lib/seaweedfs", str(folder / "weed")),
        ("/tmp/app", str(folder / "app")),  # noqa: S108 - what the page says, and is replaced
        ("docker://docker.io/library/alpine:latest", f"docker-archive:{folder / 'alpine.tar'}"),
        ("-s3.port=8333", " ".join(f"-{name}={port}" for name, port in weed.items())),
        ("127.0.0.1:8333", f"127.0.0.1:{weed['s3.port']}"),
        ("127.0.0.1:5432", f"127.0.0.1:{postgres.port}"),
        ("127.0.0.1:6379", f"127.0.0.1:{valkey.port}"),
        ("5001", str(ports[0])),
        ("5002", str(ports[1])),
    ):
        assert old in text, f"the page does not say {old} any more"
        text = text.replace(old, new)
    return text


@pytest.mark.long
def test_the_installation_brings_the_programs_that_the_page_then_uses(tmp_path: Path) -> None:
    debian, *installing = _PAGE.blocks(_TITLE)[0].splitlines()
    assert debian.startswith("apt-get install --yes ")
    python = f'python3() {{ {shlex.quote(sys.executable)} "$@"; }}\n'
    script = (
        python + "\n".join(installing).replace("/opt/entrepot", str(tmp_path / "venv")) + "\nentrepot version\nweed version\n"
    )
    done = subprocess.run(["bash", "-euc", script], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=_LIMIT_S)
    assert done.returncode == 0, done.stderr
    assert __version__ in done.stdout


@pytest.fixture(scope="module")
def followed(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """All commands of the page in one shell, which then stays, and with it what they started."""
    folder = tmp_path_factory.mktemp("cluster")
    make_programs(folder / "bin", postgres)
    (folder / "alpine.tar").write_bytes(gzip.decompress(_ALPINE.read_bytes()))
    ports = (free_port(), free_port())
    environment = as_people_have(PATH=f"{folder / 'bin'}:{os.environ['PATH']}", HOME=str(folder))
    with Valkey() as valkey:
        script = f"trap 'kill 0' EXIT\n{commands(folder, postgres, valkey, ports)}\necho pids $first $second\nwait"
        shell = Server(["bash", "-euc", script], log=folder / "log", environment=environment)
        yield from _watched(shell, folder, ports)


def _watched(shell: Server, folder: Path, ports: tuple[int, int]) -> Iterator[Followed]:
    try:
        shell.wait_until(lambda: bool(re.search(r"^pids ", shell.log_end(), re.MULTILINE)), _LIMIT_S)
        shell.wait_until(lambda: accepts(ports[0]), _LIMIT_S)
        said = shell.log_end(1000)
        first, second = re.findall(r"^pids (\d+) (\d+)$", said, re.MULTILINE)[0]
        yield Followed(folder, ports, (int(first), int(second)), said, shell.process.pid)
    finally:
        shell.kill()


def test_what_was_pushed_through_the_first_is_pulled_through_the_second_while_the_first_is_dead(followed: Followed) -> None:
    manifest = (followed.folder / "app" / "manifest.json").read_bytes()
    pulled = [path for path in (followed.folder / "app").iterdir() if re.fullmatch(r"[0-9a-f]{64}", path.name)]
    assert len(pulled) == 2, "config and layer"
    assert all(sha256(path.read_bytes()) == f"sha256:{path.name}" for path in pulled)
    for port in followed.ports:
        assert Client(f"http://127.0.0.1:{port}").get("/v2/team/app/manifests/v1").content == manifest
    assert "Killed" in followed.said


def test_the_doctor_finds_database_and_bucket_well(followed: Followed) -> None:
    told = followed.said[followed.said.rindex("step ") :]
    assert re.search(r"^ok +database +PostgreSQL ", told, re.MULTILINE)
    assert re.search(r"^ok +schema ", told, re.MULTILINE)
    assert re.search(r"^ok +bucket ", told, re.MULTILINE)
    assert not re.search(r"^error ", told, re.MULTILINE), told


def test_no_secret_can_be_read_by_others_and_a_node_keeps_no_blob(followed: Followed) -> None:
    for folder in ("etc", "nodes", "weed"):
        assert not (followed.folder / folder).stat().st_mode & 0o077
    kept = [path for path in (followed.folder / "nodes").rglob("*") if path.is_file() and path.parent.name != "nodes"]
    assert not [path for path in kept if "blobs" in path.parts]


@pytest.fixture
def balancer(followed: Followed, tmp_path: Path) -> Iterator[Client]:
    """The page's nginx in front of the two nodes."""
    (blocks,) = _PAGE.blocks("A balancer", "nginx")
    port = free_port()
    for old, new in ((":5001", f":{followed.ports[0]}"), (":5002", f":{followed.ports[1]}"), (":5000", f":{port}")):
        assert old in blocks
        blocks = blocks.replace(old, new)
    server = nginx.started(tmp_path / "nginx", port, blocks)
    yield followed.signed(f"http://localhost:{port}")
    server.stop(20)


def served(followed: Followed) -> list[int]:
    """Return how many requests for the registry each node has answered."""
    found = []
    for port in followed.ports:
        text = Client(f"http://127.0.0.1:{port}").get("/metrics").content.decode()
        counts = re.findall(r'^entrepot_requests_total\{route="(?:manifests|blobs|uploads)"[^}]*\} (\d+)$', text, re.MULTILINE)
        found.append(sum(map(int, counts)))
    return found


def chunked(repo: Repository, content: bytes, pieces: int) -> None:
    """Push a blob in as many requests, each of which goes wherever the balancer likes."""
    place, size = repo.begin(), -(-len(content) // pieces)
    for start in range(0, len(content), size):
        piece = content[start : start + size]
        answer = repo.client.patch(place, body=piece, headers={"Content-Range": f"{start}-{start + len(piece) - 1}"})
        assert answer.status == 202, answer
        place = answer.headers["location"]
    assert repo.finish(place, sha256(content)).status == 201


def test_behind_the_balancer_of_the_page_every_request_may_go_anywhere_and_a_node_may_die(
    followed: Followed, balancer: Client
) -> None:
    repo, before = Repository(balancer, "team/hopping"), served(followed)
    content = os.urandom(3_000_000)
    chunked(repo, content, 12)
    manifest = repo.image("v1")
    for _ in range(10):
        assert balancer.get(repo.at("manifests/v1")).content == manifest
        assert balancer.get(repo.at(f"blobs/{sha256(content)}")).content == content
    assert all(after > earlier for earlier, after in zip(before, served(followed), strict=True))
    os.kill(followed.pids[1], signal.SIGKILL)
    for _ in range(20):
        assert balancer.get(repo.at("manifests/v1")).content == manifest
    repo.image("v2", seed="after")


def test_what_was_backed_up_is_restored_and_served(followed: Followed, postgres: Cluster, tmp_path: Path) -> None:
    settings = followed.settings()
    repo = Repository(followed.client(), "team/kept")
    kept = repo.image("v1", seed="kept")
    backing_up, restoring = (
        block.replace("/backup", str(tmp_path)).replace("/var/lib/entrepot", str(tmp_path)) for block in _PAGE.blocks("Backups")
    )

    def run(commands: str, **variables: str) -> str:
        path = f"{followed.folder / 'bin'}:{os.environ['PATH']}"
        environment = as_people_have(PATH=path, **{**settings, **variables})
        done = subprocess.run(["bash", "-euc", commands], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(backing_up)
    repo.image("v2", seed="later")
    database = postgres.new_database()
    run(restoring, ENTREPOT_DATABASE=database)
    environment = surroundings(**{name: value for name, value in settings.items() if name.startswith("AWS_")})
    own = {"storage": settings["ENTREPOT_STORAGE"], "secret_key_file": settings["ENTREPOT_SECRET_KEY_FILE"], "jobs": "none"}
    with Instance(tmp_path / "2", database=database, environment=environment, **own) as restored:  # type: ignore[arg-type]  # as everywhere with settings by name
        again = Repository(restored.client(), "team/kept")
        assert again.tags() == ["v1"]
        assert again.client.get(again.at("manifests/v1")).content == kept
        assert again.client.get(again.at(f"blobs/{sha256(b'layer kept')}")).content == b"layer kept"


def test_while_the_store_is_away_what_the_database_holds_goes_on_and_all_else_is_told_so(followed: Followed) -> None:
    client = followed.client()
    repo = Repository(client, "team/away")
    manifest, large = repo.image("v1"), os.urandom(200_000)
    chunked(repo, large, 1)
    (weed,) = children_named(followed.shell, "weed")
    os.kill(weed, signal.SIGKILL)
    blob = repo.at(f"blobs/{sha256(large)}")
    assert (client.get(blob).status, client.head(blob).status) == (503, 503)
    refused = client.post(repo.at(f"blobs/uploads/?digest={sha256(b'new')}"), body=b"new")
    assert (refused.status, refused.error_code) == (503, "UNAVAILABLE")
    assert int(refused.headers["retry-after"]) > 0
    assert client.get(repo.at("manifests/v1")).content == manifest
    assert repo.tags() == ["v1"]
    assert client.get("/readyz").status == 503
    assert "bucket_away" in (followed.folder / "nodes" / "1.log").read_text("utf-8")
