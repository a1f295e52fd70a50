"""tools/house.py: each house rule finds its breach and leaves what is allowed alone."""

import ast
from pathlib import Path

import pytest

from tools import house

pytestmark = pytest.mark.fast
SERVICE = "src/entrepot/domain/registry/service.py"
MODEL = "src/entrepot/domain/registry/model.py"


def misplaced(path: str, code: str) -> list[str]:
    return list(house.misplaced(Path(path), ast.parse(code)))


def test_the_project_keeps_its_own_rules() -> None:
    assert list(house.breaches(house.project_files())) == []


@pytest.mark.parametrize("text", ["see ..{0}shared{0}design.md", "cp ..{0}shared x", "open('{0}work{0}main')", "x={0}work{0}y"])
def test_a_path_outside_the_project_is_found(text: str) -> None:
    # Put together here, so that this file keeps the rule that it tests.
    assert len(list(house.mentions(Path("notes.md"), text.format("/").encode()))) == 1


@pytest.mark.parametrize("text", ["web/shared/gate.py", "..{0}sharedness", "src{0}network{0}x", "the work{0}life of"])
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert list(house.mentions(Path("notes.md"), text.format("/").encode())) == []


def test_a_breach_is_found_in_a_binary_file_too() -> None:
    content = b"\x00\xff\n\x80 .." + b"/shared\n"
    assert [found.split(" ")[0] for found in house.mentions(Path("a.bin"), content)] == ["a.bin:2:"]


def test_an_address_in_a_lock_file_is_found() -> None:
    lock = b"a==1 \\\n    --hash=sha256:00\n--index-url https" + b"://example.org\n"
    assert [found.split(" ")[0] for found in house.addresses(Path("requirements/run.txt"), lock)] == ["requirements/run.txt:3:"]


@pytest.mark.parametrize(
    "code",
    [
        "x = 'SELECT name FROM tag'",
        "run('''\n  INSERT INTO tag VALUES (1)''')",
        "f'UPDATE tag SET name = {x}'",
        "from sqlalchemy import select",
        "from sqlalchemy.dialects.postgresql import insert",
    ],
)
def test_sql_is_found_outside_queries_and_the_database(code: str) -> None:
    assert "SQL" in misplaced(SERVICE, code)[0]
    assert misplaced("src/entrepot/domain/registry/queries.py", code) == []
    assert misplaced("src/entrepot/domain/registry/queries/tags.py", code) == []
    assert misplaced("src/entrepot/platform/db/sqlite.py", code) == []


@pytest.mark.parametrize(
    "code", ["'''SELECT is a word here.'''", "x = 'select a tag'", "x = 'Delete from the list'", "import sqlalchemy"]
)
def test_prose_and_types_are_not_sql(code: str) -> None:
    assert misplaced(SERVICE, code) == []


@pytest.mark.parametrize(
    "code", ["db.write(body)", "self._db.write(body)", "self.db.write(body)", "hub.database.write(body)", "x = db.write"]
)
def test_a_transaction_is_found_outside_service_and_jobs(code: str) -> None:
    assert "db.write" in misplaced(MODEL, code)[0]
    assert misplaced(SERVICE, code) == []
    assert misplaced("src/entrepot/domain/registry/service/tags.py", code) == []
    assert misplaced("src/entrepot/domain/registry/jobs.py", code) == []


def test_writing_a_file_is_no_transaction() -> None:
    assert misplaced(MODEL, "file.write(b'')") == []


@pytest.mark.parametrize(
    "code",
    [
        "from entrepot.domain.access import queries",
        "from entrepot.domain.access.queries import user_named",
        "import entrepot.domain.access.queries",
        "from ..access import queries",
        "from ..access.queries.users import named",
    ],
)
def test_the_queries_of_another_feature_are_found(code: str) -> None:
    assert "another feature" in misplaced(SERVICE, code)[0]


@pytest.mark.parametrize(
    "code", ["from entrepot.domain.registry import queries", "from . import queries", "from .queries import tags"]
)
def test_a_feature_may_use_its_own_queries(code: str) -> None:
    assert misplaced(SERVICE, code) == []
