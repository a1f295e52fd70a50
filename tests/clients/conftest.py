"""Fixtures of the client tests: images that every client moves, and the daemons of ours that some clients need."""

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import images
from support.clients import Crane, Ctr, Helm, Oras, Regctl, Skopeo
from support.containers import Containers
from support.daemons import BuildKit, Containerd, DockerDaemon, docker, native_snapshots
from support.instance import Instance
from support.tools import PROJECT, Program, program

MIB = 1 << 20


@pytest.fixture(scope="session")
def alpine() -> Path:
    """A real Alpine as `docker save` writes it, gzipped."""
    return PROJECT / "tests" / "vectors" / "alpine-310.tar.gz"


@pytest.fixture(scope="session")
def alpine_tar(alpine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same Alpine, unpacked for the tools that ask for that."""
    path = tmp_path_factory.mktemp("alpine") / "alpine.tar"
    with gzip.open(alpine) as packed, path.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return path


@pytest.fixture(scope="session")
def index() -> images.Index:
    """An index with images for amd64, arm64 and arm/v7."""
    return images.multi_platform(7)


@pytest.fixture(params=[64 * MIB, pytest.param(1024 * MIB, marks=pytest.mark.long)], ids=["64MiB", "1GiB"])
def big_image(request: pytest.FixtureRequest, tmp_path: Path) -> images.Image:
    """An image with one layer of the size that the test's name tells."""
    return images.image([images.big_layer(tmp_path / "big.tar", 11, request.param)])


@pytest.fixture
def layout(tmp_path: Path, index: images.Index) -> Path:
    """An OCI layout that holds the index as `multi` and one image as `single`."""
    return images.write_layout(tmp_path / "layout", {"multi": index, "single": index.images[0]})


@pytest.fixture
def skopeo() -> Skopeo:
    return Skopeo()


@pytest.fixture
def crane(tmp_path: Path) -> Crane:
    return Crane(tmp_path)


@pytest.fixture
def oras(tmp_path: Path) -> Oras:
    return Oras(tmp_path)


@pytest.fixture
def regctl(hub: Instance, tmp_path: Path) -> Regctl:
    return Regctl(tmp_path, hub.host)


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    return Helm(tmp_path)


@pytest.fixture
def containers(short_folder: Path) -> Iterator[Containers]:
    """podman and buildah with no image yet."""
    storage = Containers(short_folder)
    yield storage
    storage.close()


@pytest.fixture
def partial_containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """podman on a storage that pulls only those files of a layer that it lacks."""
    storage = Containers(tmp_path_factory.mktemp("partial"), partial=True)
    yield storage
    storage.close()


@pytest.fixture(scope="module")
def buildkit() -> Iterator[BuildKit]:
    """A BuildKit daemon of our own, shared by a module."""
    with tempfile.TemporaryDirectory(prefix="entrepot-", ignore_cleanup_errors=True) as folder:
        daemon = BuildKit(Path(folder))
        yield daemon
        daemon.stop()


@pytest.fixture(scope="module")
def docker_daemon() -> Iterator[DockerDaemon]:
    """A Docker daemon of our own, shared by a module; a test removes the images that it must not find there."""
    with tempfile.TemporaryDirectory(prefix="entrepot-", ignore_cleanup_errors=True) as folder:
        daemon = DockerDaemon(Path(folder))
        yield daemon
        daemon.stop()


@pytest.fixture
def debian_docker(docker_daemon: DockerDaemon, tmp_path: Path) -> Program:
    """Debian's docker command on our daemon."""
    return docker(docker_daemon, program("docker"), tmp_path)


@pytest.fixture(scope="module")
def containerd() -> Iterator[Containerd]:
    """A containerd of our own, shared by a module."""
    with tempfile.TemporaryDirectory(prefix="entrepot-", ignore_cleanup_errors=True) as folder:
        daemon = Containerd(Path(folder))
        yield daemon
        daemon.stop()


@pytest.fixture
def ctr(containerd: Containerd, tmp_path: Path) -> Ctr:
    """ctr with an empty store."""
    client = Ctr(containerd, native_snapshots(tmp_path))
    for name in client.run("images", "list", "--quiet").split():
        client.forget(name)
    return client
