"""`entrepot audit`, and that what commands do is recorded as theirs."""

import asyncio
import getpass
import json
from pathlib import Path
from typing import Any

from entrepot.base.settings import Settings
from support.audit import script, update
from support.commands import within
from support.history import options


def audit(place: Settings, *words: str, code: int = 0) -> str:
    """Run `entrepot audit …` and return what it printed."""
    done = within("audit", *words, *options(place))
    assert done.exit_code == code, done.output
    return done.stdout or done.stderr


def test_commands_are_recorded_listed_exported_and_verified(tmp_path: Path) -> None:
    place = Settings(data=str(tmp_path / "data"))
    for words, code in (
        (("migrate",), 0),
        (("org", "create", "acme", "--owner", "ann"), 1),  # there is no ann
        (("mode", "read-only", "--reason", "why not"), 0),
        (("mode", "normal"), 0),
        (("repository", "private", "acme/app"), 0),
    ):
        assert within(*words, *options(place)).exit_code == code

    listed: list[dict[str, Any]] = json.loads(audit(place, "list", "--json"))
    assert [each["act"] for each in listed] == ["repository.visibility", "mode.change", "mode.change"]
    assert {each["actor"] for each in listed} == {"command line"}
    assert all(each["os_user"].startswith(f"{getpass.getuser()}@") for each in listed)
    assert listed[0]["details"] == {"public": False}
    line = audit(place, "list", "--namespace", "acme", "--since", "2026-01-01", "--until", "2999-01-01")
    assert line.split()[1:4] == ["-", "command", "line"], line
    assert "repository.visibility" in line
    exported = [json.loads(line) for line in audit(place, "export", "--act", "mode.change").splitlines()]
    assert [(each["position"], each["details"]) for each in exported] == [
        (1, {"mode": "read-only", "reason": "why not"}),
        (2, {"mode": "normal"}),
    ]
    assert "rows 1 to 3 are as they were written" in audit(place, "verify")
    asyncio.run(script(place, update("actor = 'eve'", "position = 2")))
    verdict = json.loads(audit(place, "verify", "--json", code=1))
    assert (verdict["holds"], verdict["bad"], verdict["anchored"]) == (False, 2, 0)


def test_what_cannot_be_asked_for_is_refused_with_what_to_say(tmp_path: Path) -> None:
    place = Settings(data=str(tmp_path / "data"))
    assert within("migrate", *options(place)).exit_code == 0
    assert "the nearest one is user.add" in audit(place, "list", "--act", "user_add", code=1)
    assert "2026-11-29" in audit(place, "list", "--since", "yesterday", code=2)
    assert "--keep" in audit(place, "prune", "--audit-keep", "0", code=2)
    assert audit(place, "prune", "--keep", "1") == "0 rows were pruned\n"
