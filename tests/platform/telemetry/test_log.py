"""The log's lines where systemd's journal takes them, and where it does not; their content is tested by tests/web/test_log.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.instance import surroundings

_CODE = """
import logging, sys
from entrepot.platform.telemetry.log import set_up
set_up("debug", sys.argv[1])
log = logging.getLogger("tests")
log.debug("looked"); log.info("told", extra={"of": "a b"}); log.warning("warned")
try:
    raise ValueError("two\\nlines")
except ValueError:
    log.exception("failed")
"""


def lines(folder: Path, form: str, *, journal: bool) -> list[str]:
    """Return what a process logs into a file that is the journal or is not."""
    file = folder / "log"
    with file.open("w") as opened:
        about = file.stat()
        stream = f"{about.st_dev}:{about.st_ino if journal else about.st_ino + 1}"
        subprocess.run([sys.executable, "-c", _CODE, form], check=True, stderr=opened, env=surroundings(JOURNAL_STREAM=stream))
    return file.read_text("utf-8").splitlines()


def test_the_journal_gets_levels_and_no_times(tmp_path: Path) -> None:
    said = lines(tmp_path, "text", journal=True)
    assert said[:3] == ["<7>DEBUG   looked", '<6>INFO    told of="a b"', "<4>WARNING warned"]
    assert said[3] == "<3>ERROR   failed"
    assert said[-2:] == ["<3>ValueError: two", "<3>lines"]


def test_the_journal_gets_json_with_levels(tmp_path: Path) -> None:
    said = lines(tmp_path, "json", journal=True)
    assert [line[:3] for line in said] == ["<7>", "<6>", "<4>", "<3>"]
    assert json.loads(said[1][3:])["of"] == "a b"


@pytest.mark.parametrize("form", ["text", "json"])
def test_anything_else_gets_times_and_no_marks(tmp_path: Path, form: str) -> None:
    said = lines(tmp_path, form, journal=False)
    assert said[0].startswith('{"time": "20' if form == "json" else "20")
