"""docs/accounts.md followed: its commands, with another folder and port, and what docker then may do."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from support import images
from support.accounts import Signed, basic
from support.http import Client
from support.instance import Instance, as_people_have
from support.pages import Page
from support.tools import PROJECT
from support.wire import Repository

_PAGE: Final = Page("accounts.md")
_LIMIT_S: Final = 120.0
# Where else is tried what a section says.
_TRIED: Final = {
    "Who may do what": ("web/v2/test_permissions.py",),
    "Renames, transfers and deletions": ("web/v2/test_former_names.py", "domain/registry/test_names.py"),
    "Plans": ("domain/plans/test_plans.py", "web/v2/test_permissions.py"),
    "Invitations and mail": (
        "domain/accounts/test_invitations.py",
        "domain/accounts/test_recovery.py",
        "domain/accounts/test_post.py",
        "platform/mail/test_smtp.py",
    ),
    "Two-factor sign-in": ("domain/access/test_two_factor.py", "domain/accounts/test_factors.py", "spec/otp/test_totp.py"),
    "Sessions and one's own data": ("domain/accounts/test_sessions.py", "domain/accounts/test_own.py"),
    "Limits on pulls": ("web/v2/test_pull_limits.py", "platform/limits/test_valkey.py"),
    "Who did what": ("domain/audit/test_recording.py",),
    "When something is wrong": ("domain/accounts/test_users.py",),
}


@pytest.mark.fast
@pytest.mark.parametrize(("section", "files"), _TRIED.items())
def test_what_is_tried_elsewhere_is_still_there(section: str, files: tuple[str, ...]) -> None:
    assert _PAGE.section(section)
    assert all((PROJECT / "tests" / file).exists() for file in files)


@dataclass(frozen=True, slots=True)
class Followed:
    """What has come of the page's commands."""

    instance: Instance
    said: str

    def signed(self, name: str, secret: str) -> Client:
        return Signed(self.instance.url, basic(name, secret))


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """A server as the page starts it, and its commands about users run."""
    folder = tmp_path_factory.mktemp("page")
    with Instance(folder / "data", environment=as_people_have()) as instance:
        serve, people, docker = _PAGE.blocks("From nothing to a private image")
        assert "entrepot serve --data ./data" in serve
        assert "docker push localhost:5000/acme/app:v1" in docker
        (programs,) = _PAGE.blocks("Tokens and robots")
        (folder / "entrepot").write_text(f'#!/bin/sh\nexec {sys.executable} -m entrepot "$@"\n', "utf-8")
        (folder / "entrepot").chmod(0o755)
        yield Followed(instance, run(folder, people + programs))


def run(folder: Path, commands: str) -> str:
    """Run commands of the page in the folder where its data are; return what they print."""
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env=as_people_have(PATH=f"{folder}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ann_pushes_bob_pulls_and_nobody_else_does(followed: Followed) -> None:
    ann = followed.signed("ann", "a sentence is a good password")
    images.push(ann, "acme/app", images.simple_image(901), "v1")
    for client, status in (
        (followed.signed("bob", "another sentence of four words"), 200),
        (followed.instance.client(), 401),
        (followed.signed("admin", (followed.instance.data / "admin-password").read_text().strip()), 200),
    ):
        assert client.get("/v2/acme/app/manifests/v1").status == status
    bob = Repository(followed.signed("bob", "another sentence of four words"), "acme/app")
    assert bob.client.post(bob.at("blobs/uploads/")).status == 401


def test_the_token_and_the_robot_sign_in_with_what_was_printed(followed: Followed) -> None:
    secrets = [word for word in followed.said.split() if word.startswith("ent_")]
    assert [secret[:8] for secret in secrets] == ["ent_pat_", "ent_rob_"]
    for name, secret in zip(("ann", "acme+ci"), secrets, strict=True):
        repo = Repository(followed.signed(name, secret), "acme/app-of-programs")
        assert repo.client.post(repo.at("blobs/uploads/")).status == 202
    assert "laptop" in followed.said
    assert "app*=write" in followed.said


def test_the_password_file_is_for_its_user_alone(followed: Followed) -> None:
    file = Path(followed.instance.data / "admin-password")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() not in followed.instance.log.read_text()


def test_after_the_renames_of_the_page_the_former_names_go_on(followed: Followed) -> None:
    (renames,) = _PAGE.blocks("Renames, transfers and deletions")
    ann = followed.signed("ann", "a sentence is a good password")
    images.push(ann, "acme/app", images.simple_image(902), "v2")
    run(followed.instance.data.parent, renames)
    for name in ("acme/app", "acme/web", "ann/web"):
        assert ann.get(f"/v2/{name}/manifests/v2").status == 200
    assert followed.signed("bob", "another sentence of four words").get("/v2/acme/app/manifests/v2").status == 401
    assert "umbrella" in run(followed.instance.data.parent, "entrepot name list --data ./data")
    (plans,) = _PAGE.blocks("Plans")
    assert "team" in run(followed.instance.data.parent, plans)
