"""Signing in with each real client: what it may do without a name, with a password, with a token, and when that was revoked."""

import asyncio
import itertools
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.accounts.model import Grant, Held, Scope, Terms
from entrepot.spec.oci.names import RepositoryName
from support import images
from support.accounts import PASSWORD, Signed, basic, with_accounts
from support.clients import Ctr
from support.containers import Containers
from support.instance import Instance
from support.parts import parts
from support.tools import Program, cache, program

_numbers: Final = itertools.count(500)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A registry with accounts: ann has repositories, eve has none."""
    with Instance(tmp_path_factory.mktemp("signing") / "data", access="accounts", admin_password=PASSWORD) as instance:
        with_accounts(place(instance), lambda who: who.users.add("ann", PASSWORD))
        with_accounts(place(instance), lambda who: who.users.add("eve", PASSWORD))
        yield instance


@dataclass
class Images:
    """Two images of ann's, one for everybody and one for her alone, and a name that nothing has yet."""

    public: str
    private: str
    new: str


@pytest.fixture
def names(hub: Instance) -> Images:
    number = next(_numbers)
    ours = Signed(hub.url, basic("ann", PASSWORD))
    for kind in ("public", "private"):
        images.push(ours, f"ann/{kind}-{number}", images.simple_image(number), "v1")
    hide(hub, f"ann/private-{number}")
    return Images(*(f"{hub.host}/ann/{kind}-{number}:v1" for kind in ("public", "private", "new")))


def place(hub: Instance) -> Settings:
    return Settings(data=str(hub.data), access="open")


def hide(hub: Instance, name: str) -> None:
    async def change() -> None:
        async with parts(place(hub)) as whole:
            await whole.registry.repositories.set_visibility(ANYONE, RepositoryName.parse(name), public=False)

    asyncio.run(change())


class Person:
    """Somebody at one client. Each step tells whether the client says that it went well."""

    checks_at_once = True  # whether signing in asks the registry

    def __init__(self, host: str, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.user: tuple[str, str] | None = None
        self.layout = images.write_layout(folder / "layout", {"single": images.simple_image(next(_numbers))})

    def run(self, program_: Program, *words: str) -> bool:
        return program_.run(*words, check=False).returncode == 0

    def sign_in(self, name: str, secret: str) -> bool:
        raise NotImplementedError

    def sign_out(self) -> bool:
        raise NotImplementedError

    def pull(self, image: str) -> bool:
        raise NotImplementedError

    def push(self, image: str) -> bool:
        raise NotImplementedError


class AtSkopeo(Person):
    def _do(self, *words: str) -> bool:
        own = {"REGISTRY_AUTH_FILE": str(self.folder / "auth.json")}
        return self.run(program("skopeo").with_own(own), "--policy", str(cache() / "policy.json"), *words)

    def sign_in(self, name: str, secret: str) -> bool:
        return self._do("login", "--tls-verify=false", "-u", name, "-p", secret, self.host)

    def sign_out(self) -> bool:
        return self._do("logout", self.host)

    def pull(self, image: str) -> bool:
        return self._do("copy", "--src-tls-verify=false", f"docker://{image}", f"dir:{self.folder / str(next(_numbers))}")

    def push(self, image: str) -> bool:
        return self._do("copy", "--dest-tls-verify=false", f"oci:{self.layout}:single", f"docker://{image}")


class AtCrane(Person):
    checks_at_once = False

    def _do(self, *words: str) -> bool:
        return self.run(program("crane").with_own({"DOCKER_CONFIG": str(self.folder), "HOME": str(self.folder)}), *words)

    def sign_in(self, name: str, secret: str) -> bool:
        return self._do("auth", "login", self.host, "-u", name, "-p", secret)

    def sign_out(self) -> bool:
        return self._do("auth", "logout", self.host)

    def pull(self, image: str) -> bool:
        return self._do("pull", image, str(self.folder / "image.tar"))

    def push(self, image: str) -> bool:
        return self._do("push", str(self.layout), image)


class AtOras(Person):
    def _do(self, *words: str) -> bool:
        return self.run(program("oras").with_own({"DOCKER_CONFIG": str(self.folder)}, self.folder), *words)

    def sign_in(self, name: str, secret: str) -> bool:
        return self._do("login", self.host, "--plain-http", "-u", name, "-p", secret)

    def sign_out(self) -> bool:
        return self._do("logout", self.host)

    def pull(self, image: str) -> bool:
        return self._do("copy", "--from-plain-http", "--to-oci-layout", image, f"{self.folder / str(next(_numbers))}:v1")

    def push(self, image: str) -> bool:
        return self._do("copy", "--from-oci-layout", "--to-plain-http", f"{self.layout}:single", image)


class AtRegctl(Person):
    def __init__(self, host: str, folder: Path) -> None:
        super().__init__(host, folder)
        assert self._set_up()

    def _set_up(self) -> bool:
        return self._do("registry", "set", self.host, "--tls", "disabled", "--skip-check")

    def _do(self, *words: str) -> bool:
        own = {"REGCTL_CONFIG": str(self.folder / "regctl.json"), "DOCKER_CONFIG": str(self.folder)}
        return self.run(program("regctl").with_own(own), *words)

    def sign_in(self, name: str, secret: str) -> bool:
        return self._do("registry", "login", self.host, "-u", name, "-p", secret) and self._set_up()

    def sign_out(self) -> bool:
        return self._do("registry", "logout", self.host) and self._set_up()

    def pull(self, image: str) -> bool:
        return self._do("image", "copy", image, f"ocidir://{self.folder / str(next(_numbers))}")

    def push(self, image: str) -> bool:
        return self._do("image", "copy", f"ocidir://{self.layout}:single", image)


class AtDocker(Person):
    def __init__(self, host: str, folder: Path, command: Program) -> None:
        super().__init__(host, folder)
        self._command = command
        archive = images.write_docker_archive(folder / "image.tar", images.simple_image(next(_numbers)), "here:v1")
        assert self._do("load", "--input", str(archive))

    def _do(self, *words: str) -> bool:
        return self.run(self._command, *words)

    def sign_in(self, name: str, secret: str) -> bool:
        return self._do("login", "-u", name, "-p", secret, self.host)

    def sign_out(self) -> bool:
        return self._do("logout", self.host)

    def pull(self, image: str) -> bool:
        return self._do("pull", image) and self._do("rmi", image)

    def push(self, image: str) -> bool:
        assert self._do("tag", "here:v1", image)
        pushed = self._do("push", image)
        return self._do("rmi", image) and pushed


class AtPodman(AtDocker):
    def __init__(self, host: str, folder: Path, containers: Containers) -> None:
        self._containers = containers
        super().__init__(host, folder, program("podman"))

    def _do(self, *words: str) -> bool:
        plain = ["--tls-verify=false"] if words[0] in ("login", "pull", "push") else []
        return self._containers.runs(words[0], *plain, *words[1:])


class AtCtr(Person):
    checks_at_once = False

    def __init__(self, host: str, folder: Path, ctr: Ctr) -> None:
        super().__init__(host, folder)
        self._ctr = ctr
        archive = folder / "layout.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(self.layout, arcname=".")
        ctr.bring(archive, "example.com/here")

    def _do(self, *words: str) -> bool:
        user = ["--user", ":".join(self.user)] if self.user else []
        return self._ctr.runs("images", words[0], "--plain-http", *user, *words[1:])

    def sign_in(self, name: str, secret: str) -> bool:
        self.user = (name, secret)
        return True

    def sign_out(self) -> bool:
        self.user = None
        return True

    def pull(self, image: str) -> bool:
        return self._do("pull", "--snapshotter", "native", image) and self._ctr.runs("images", "remove", "--sync", image)

    def push(self, image: str) -> bool:
        return self._do("push", image, "example.com/here:single")


CLIENTS: Final[dict[str, Callable[[str, Path], Person]]] = {
    "skopeo": AtSkopeo,
    "crane": AtCrane,
    "oras": AtOras,
    "regctl": AtRegctl,
}


@pytest.fixture(params=[*CLIENTS, "docker", "podman", "ctr"])
def person(request: pytest.FixtureRequest, hub: Instance, tmp_path: Path) -> Person:
    if request.param == "docker":
        return AtDocker(hub.host, tmp_path, request.getfixturevalue("debian_docker"))
    if request.param == "podman":
        return AtPodman(hub.host, tmp_path, request.getfixturevalue("containers"))
    if request.param == "ctr":
        return AtCtr(hub.host, tmp_path, request.getfixturevalue("ctr"))
    return CLIENTS[request.param](hub.host, tmp_path)


def test_a_password_opens_what_is_ones_own_and_its_end_closes_it(person: Person, names: Images) -> None:
    person.sign_out()
    assert person.pull(names.public)
    assert not person.pull(names.private)
    assert not person.push(names.new)
    signed_in = person.sign_in("ann", "a wrong password")
    assert not (person.checks_at_once and signed_in)
    assert person.sign_in("ann", PASSWORD)
    assert person.pull(names.private)
    assert person.push(names.new)
    assert person.sign_out()
    assert not person.pull(names.private)
    assert person.sign_in("eve", PASSWORD)
    assert not person.pull(names.private)
    assert not person.push(f"{names.new}2")
    assert person.pull(names.new)


def test_a_token_opens_as_much_as_it_allows_until_it_is_revoked(hub: Instance, person: Person, names: Images) -> None:
    made, secret = with_accounts(place(hub), lambda who: who.credentials.add_personal("ann", "reads", Terms(Scope.READ)))
    assert person.sign_in("ann", secret)
    assert person.pull(names.private)
    assert not person.push(names.new)
    with_accounts(place(hub), lambda who: who.credentials.revoke(made.id))
    assert not person.pull(names.private)
    assert not (person.sign_in("ann", secret) and person.checks_at_once)


def test_a_robot_does_what_it_was_granted(hub: Instance, person: Person, names: Images) -> None:
    robot, app = f"ci{next(_numbers)}", names.new.rpartition("/")[2].partition(":")[0]
    terms = Terms(Scope.DELETE, grants=(Held(app, Grant.WRITE),))
    _, secret = with_accounts(place(hub), lambda who: who.credentials.add_robot("ann", robot, terms, created_by="ann"))
    assert person.sign_in(f"ann+{robot}", secret)
    assert person.push(names.new)
    assert not person.pull(names.private)
    assert not person.push(names.private)
