"""docs/api.md followed: its commands one after another, at the server that it speaks of."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from support.accounts import PASSWORD
from support.instance import Instance, surroundings
from support.pages import Page
from support.tools import PROJECT

_PAGE: Final = Page("api.md")
_LIMIT_S: Final = 120.0
_SECTIONS: Final = (
    "Sign in",
    "A user, an organisation and a team",
    "Repositories and tags",
    "Tokens and robots",
    "Invitations, signing up and getting back in",
    "Plans, names and the audit log",
    "Search, stars, badges and categories",
    "What Docker Hub's scripts ask for",
)
_TRIED: Final = {
    "What is refused, and how": (
        "test_a_body_that_cannot_be_used_is_refused_with_a_reason",
        "test_pages_of_other_sites_are_let_into_nothing",
        "test_every_answer_is_for_nobody_else_and_is_no_page",
    )
}


@pytest.mark.fast
@pytest.mark.parametrize(("section", "tests"), _TRIED.items())
def test_what_is_tried_elsewhere_is_still_there(section: str, tests: tuple[str, ...]) -> None:
    assert _PAGE.section(section)
    there = (PROJECT / "tests/web/api/test_application.py").read_text("utf-8")
    assert all(f"def {test}(" in there for test in tests)


@dataclass(frozen=True, slots=True)
class Followed:
    """What each section's commands printed."""

    said: dict[str, str]

    def answers(self, section: str) -> list[Any]:
        """Return the JSON documents that a section's commands printed, one behind the other."""
        text, found = self.said[section].strip(), []
        while text:
            value, end = json.JSONDecoder().raw_decode(text)
            found.append(value)
            text = text[end:].strip()
        return found


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """The page's commands in one shell, at a server of the test's own."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed: the page reads answers with it")
    folder = tmp_path_factory.mktemp("page")
    with Instance(folder / "data", access="accounts", admin_password=PASSWORD) as instance:
        script = ""
        for number, section in enumerate(_SECTIONS):
            blocks = _PAGE.blocks(section)
            assert blocks
            script += "\n".join([f"exec >{folder}/{number}", *blocks, ""])
        assert "hub=http://localhost:5000\n" in script
        script = script.replace("http://localhost:5000", instance.url)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=surroundings(ENTREPOT_ADMIN_PASSWORD=PASSWORD, PATH="/usr/bin:/bin"),
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT_S,
        )
        assert done.returncode == 0, done.stderr
        yield Followed({section: Path(folder / str(number)).read_text() for number, section in enumerate(_SECTIONS)})


def test_signing_in_by_password_and_by_token_is_the_same(followed: Followed) -> None:
    assert [each["name"] for each in followed.answers("Sign in")] == ["admin", "admin"]


def test_what_was_made_is_shown(followed: Followed) -> None:
    ann, bob, acme, team = followed.answers("A user, an organisation and a team")
    assert (ann["name"], bob["name"], acme["name"], team["name"]) == ("ann", "bob", "acme", "readers")
    made, listed, changed, tags = followed.answers("Repositories and tags")
    assert (made["is_private"], listed["items"], changed["is_private"], tags["items"]) == (True, [made], False, [])
    token, robot, *listed = followed.said["Tokens and robots"].split("\n", 2)
    assert (token[:8], robot[:8]) == ("ent_pat_", "ent_rob_")
    assert json.loads(listed[0])["items"][0]["secret"] is None


def test_somebody_is_invited_and_an_organisation_has_a_plan(followed: Followed) -> None:
    cleo, found, _ = followed.said["Invitations, signing up and getting back in"].partition("otpauth://totp/")
    assert (json.loads(cleo)["name"], bool(found)) == ("cleo", True)
    usage, acme, made, acts, chain = followed.answers("Plans, names and the audit log")
    assert (usage["plan"]["name"], acme["makes_private"], made["name"]) == ("free", True, "old-name")
    assert acts["items"][0]["act"] == "namespace.visibility"
    assert [each["position"] for each in chain["items"]] == list(range(1, len(chain["items"]) + 1))


def test_an_image_is_starred_and_its_organisation_has_a_badge(followed: Followed) -> None:
    badges, star, found = followed.answers("Search, stars, badges and categories")
    assert [(each["namespace"], each["checked"]) for each in badges["items"]] == [("acme", "acme.example points to them")]
    assert (star, found["next"]) == ({"starred": True, "stars": 1}, None)


def test_docker_hubs_scripts_are_answered(followed: Followed) -> None:
    made, repositories, changed, tags, tokens = followed.answers("What Docker Hub's scripts ask for")
    assert [each["name"] for each in repositories["results"]] == ["app", "tool"]
    assert made == repositories["results"][1]
    assert (changed["is_private"], tags["count"], tokens["results"][0]["token_label"]) == (True, 0, "laptop")
