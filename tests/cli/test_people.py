"""Invitations, sessions, two-factor sign-in and mail at the command line; the commands are run in the test's own process."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from entrepot.cli.commands import app
from support.parts import prepared
from support.people import PASSWORD


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Say":
    """Commands about a hub with a user and an organisation."""
    data = tmp_path / "data"
    prepared(data, "")  # what differs between databases the services' own tests look at
    monkeypatch.setenv("ENTREPOT_DATA", str(data))
    monkeypatch.setenv("ENTREPOT_PUBLIC_URL", "https://hub.example.com")
    made = Say()
    made("user", "add", "ann", "--password-stdin", sent=PASSWORD)
    made("org", "create", "acme", "--owner", "ann")
    return made


class Say:
    """Runs commands."""

    def __call__(self, *words: str, sent: str = "", code: int = 0) -> str:
        done: Result = CliRunner().invoke(app, words, input=sent)
        assert done.exit_code == code, done.output
        return done.output


def test_invitations_are_shown_listed_and_revoked(say: Say) -> None:
    link = say("user", "invite", "new@example.com").strip()
    assert link.startswith("https://hub.example.com/accounts/links/")
    made = json.loads(say("member", "invite", "acme", "ann", "--role", "editor", "--json"))
    assert (made["invitation"]["role"], made["link"][:8]) == ("editor", "https://")
    listed = say("invitation", "list")
    assert ("new@example.com" in listed, "editor of acme" in listed) == (True, True)
    assert link.rpartition("/")[2] not in listed + say("invitation", "list", "--json")
    say("invitation", "revoke", made["invitation"]["id"])
    assert say("invitation", "list", "acme") == ""
    assert "no open invitation" in say("invitation", "revoke", made["invitation"]["id"], code=1)
    assert "no address" in say("user", "email", "ann")
    assert "is not an e-mail address" in say("user", "invite", "nobody", code=1)


def test_what_is_looked_after_for_a_user(say: Say) -> None:
    assert "asks its members" in say("org", "two-factor", "acme", "on")
    assert "does not ask" in say("org", "two-factor", "acme", "off")
    assert "is not on for 'ann'" in say("user", "one-factor", "ann", code=1)
    say("user", "language", "ann", "fr")
    assert "expected en or fr" in say("user", "language", "ann", "de", code=1)
    about = json.loads(say("user", "export", "ann"))
    assert (about["account"]["language"], about["organisations"][0]["name"]) == ("fr", "acme")
    assert say("session", "list", "ann") == ""
    assert "no session" in say("session", "end", "none", code=1)
    say("session", "end", code=2)
    say("session", "end", "--user", "ann")
    assert "--smtp" in say("mail", "test", "ann@example.com", code=1)


def test_badges_are_granted_and_categories_set(say: Say) -> None:
    say("badge", "grant", "acme", "verified", "--checked", "their domain")
    assert "their domain" in say("badge", "list", "--organisation", "acme")
    assert "say what was checked" in say("badge", "grant", "acme", "sponsored", code=1)
    assert "expected one of verified, sponsored" in say("badge", "grant", "acme", "royal", code=2)
    say("badge", "revoke", "acme", "verified")
    assert "has no badge" in say("badge", "revoke", "acme", "verified", code=1)
    assert "titles have up to 60" in say("category", "set", "ovens", "--english", "Ovens", code=1)
    say("category", "set", "ovens", "--english", "Ovens", "--french", "Fours")
    assert "Stoves, Fours" in say("category", "set", "ovens", "--english", "Stoves")
    assert json.loads(say("category", "list", "--json"))[-1]["name"] == "ovens"
    say("category", "delete", "ovens")
    assert "there is no category" in say("category", "delete", "ovens", code=1)
    acts = say("audit", "list")
    assert all(act in acts for act in ("badge.grant", "badge.revoke", "category.set", "category.delete"))
