"""The reference names all that the code has: settings with their defaults, commands, error codes, addresses."""

import re
from pathlib import Path

import pytest
import typer

from entrepot.base import settings
from entrepot.cli.commands import app
from entrepot.web.api.application import paths
from entrepot.web.api.errors import API_ERRORS
from entrepot.web.api.routing import APPLICATION
from entrepot.web.v2.errors import OCI_ERRORS

pytestmark = pytest.mark.fast
_REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def _page(name: str) -> str:
    return (_REFERENCE / f"{name}.md").read_text()


@pytest.mark.parametrize("name", settings.FIELDS)
def test_every_setting_is_listed_as_the_code_describes_it(name: str) -> None:
    default = settings.FIELDS[name].default
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    row = (
        f"| `--{settings.option(name)}` | `ENTREPOT_{name.upper()}` | {settings.expected(name)} "
        f"| {f'`{shown}`' if shown else '(none)'} | {settings.sentence(name)} |"
    )
    assert row in _page("settings")


def test_no_setting_is_listed_that_is_none() -> None:
    assert set(re.findall(r"^\| `--([a-z-]+)`", _page("settings"), re.MULTILINE)) == {
        settings.option(name) for name in settings.FIELDS
    }


def test_every_error_code_is_listed_with_each_of_its_statuses() -> None:
    listed = dict(re.findall(r"^\| `([A-Z_]+)` \| ([0-9, ]+) \|", _page("errors"), re.MULTILINE))
    sent: dict[str, set[str]] = {"UNKNOWN": {"500"}}
    for row in OCI_ERRORS.values():
        sent.setdefault(row.code, set()).add(str(row.status))
    assert {code: set(statuses.split(", ")) for code, statuses in listed.items()} == sent


def test_every_code_of_the_json_interface_is_listed_with_each_of_its_statuses() -> None:
    listed = dict(re.findall(r"^\| `([A-Z_]+)` \| ([0-9, ]+) \|", _page("api"), re.MULTILINE))
    sent: dict[str, set[str]] = {"UNKNOWN": {"500"}}
    for row in API_ERRORS.values():
        sent.setdefault(row.code, set()).add(str(row.status))
    assert {code: set(statuses.split(", ")) for code, statuses in listed.items()} == sent


def test_every_address_of_the_json_interface_is_listed_as_its_handler_describes_it() -> None:
    described = APPLICATION.openapi()["paths"]
    rows = {
        f"| `{method} {path}` | {described[path][method.lower()]['description'].splitlines()[0]} |" for method, path in paths()
    }
    assert rows == set(re.findall(r"^\| `[A-Z]+ /.*$", _page("api"), re.MULTILINE))


def test_every_command_is_listed() -> None:
    page = _page("commands")
    group = typer.main.get_group(app)
    names = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        names += [f"{name} {verb}" for verb in inner] if inner else [name]
    assert [name for name in names if f"`entrepot {name}" not in page] == []


def test_every_link_between_the_pages_leads_somewhere() -> None:
    docs = _REFERENCE.parent
    pages = [*docs.rglob("*.md"), *docs.parent.glob("*.md")]
    broken = [
        (page.name, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
