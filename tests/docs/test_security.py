"""The table of threats names tests that exist."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from support.tools import PROJECT

pytestmark = pytest.mark.fast
_ROW: Final = re.compile(r"^\| .+ \| .+ \| (.+) \|$", re.MULTILINE)
_NAMED: Final = re.compile(r"`(tests/[a-z0-9_/]+\.py)(?:::(test_[a-z0-9_]+))?`")


def threats() -> list[str]:
    """Return what each row of the table says of tests."""
    page = (PROJECT / "SECURITY.md").read_text("utf-8")
    table = page.partition("\n## Threats\n")[2].partition("\n## ")[0]
    return [found for found in _ROW.findall(table) if not set(found) <= {"-", "|"}][1:]


def defined(path: Path) -> set[str]:
    """Return the tests of a file, those that are methods of a class too."""
    return {node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)}


def test_every_threat_names_a_test() -> None:
    assert len(threats()) > 25
    assert [row for row in threats() if not _NAMED.search(row)] == []


def test_every_test_that_a_threat_names_exists() -> None:
    named = [found for row in threats() for found in _NAMED.findall(row)]
    lost = [f"{file}::{test}" for file, test in named if not (PROJECT / file).is_file()]
    lost += [
        f"{file}::{test}"
        for file, test in named
        if test and f"{file}::{test}" not in lost and test not in defined(PROJECT / file)
    ]
    assert lost == []
