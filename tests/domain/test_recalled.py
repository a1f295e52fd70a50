"""No query that is recalled reads a table whose changes leave what was recalled (`platform/db/columns.py`, UNRECALLED)."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Table
from sqlalchemy.sql import visitors

import entrepot
from entrepot.domain.accounts.queries import accounts, credentials, organisations
from entrepot.domain.plans import queries as plans
from entrepot.domain.registry.queries import blobs, manifests, names
from entrepot.platform.db.columns import QUIET
from entrepot.platform.db.statements import Statement

pytestmark = pytest.mark.fast
RECALLED: Final[dict[str, Callable[..., Any]]] = {
    "accounts.by_id": accounts.by_id,
    "blobs.link": blobs.link,
    "credentials.holding": credentials.holding,
    "manifests.manifest_by_digest": manifests.manifest_by_digest,
    "manifests.manifest_by_tag": manifests.manifest_by_tag,
    "names.facts": names.facts,
    "organisations.standing": organisations.standing,
    "queries.pulls": plans.pulls,
}


def functions(of: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Yield a function and those of its module that it calls."""
    waiting, seen = [of], set()
    while waiting:
        function = waiting.pop()
        if function not in seen:
            seen.add(function)
            yield function
            named = (function.__globals__.get(name) for name in function.__code__.co_names)
            waiting += [each for each in named if inspect.isfunction(each) and each.__module__.startswith("entrepot.domain.")]


def tables(of: Callable[..., Any]) -> set[Table]:
    found: set[Table] = set()
    for function in functions(of):
        for name in function.__code__.co_names:
            statement = function.__globals__.get(name)
            if isinstance(statement, Statement):
                executable = statement._executable
                found |= {element for element in visitors.iterate(executable) if isinstance(element, Table)}
    return found


def test_every_recalled_query_is_known_here() -> None:
    source = Path(entrepot.__file__).parent / "domain"
    asked = set()
    for file in source.rglob("*.py"):
        for match in re.finditer(r"\.recall\((?:[A-Z]\w+, )?([\w.]+)", file.read_text("utf-8")):
            asked.add(match.group(1))
    assert asked - {"query"} == set(RECALLED)


@pytest.mark.parametrize("name", RECALLED)
def test_it_reads_no_table_whose_changes_are_not_told(name: str) -> None:
    read = tables(RECALLED[name])
    assert read, "it reads something"
    assert not {table.name for table in read if table.info.get(QUIET)}
