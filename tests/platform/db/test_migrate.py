"""What is said of a PostgreSQL server that cannot be used; the migrations themselves are tested in `tests/migrations`."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from entrepot.base.settings import Settings
from entrepot.platform.db.migrate import DatabaseUnreachable, PostgresqlTooOld, check_postgresql, run_postgresql
from support.postgres import Cluster
from support.tap import Tap

SECRET: Final = "hush-hush"  # noqa: S105 - nobody's


@pytest.fixture
def place(postgres: Cluster, tmp_path: Path) -> Settings:
    return Settings(data=str(tmp_path), database=postgres.new_database())


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:{0}@127.0.0.1:1/db",
        "postgresql://u@127.0.0.1:1/db?password={0}",
        "postgresql://u@127.0.0.1:1/db?password=x@{0}",
        "postgresql://127.0.0.1:1/db?user=u@h&sslpassword={0}",
        "postgresql://u:{0}?x@127.0.0.1:1/db",
        "postgresql://u:{0}/x@127.0.0.1:1/db",
    ],
)
def test_an_address_is_named_without_the_passwords_in_it(address: str) -> None:
    with pytest.raises(DatabaseUnreachable) as refused:
        run_postgresql(address.format(SECRET))
    assert SECRET not in refused.value.message


def test_tables_that_this_user_may_not_read_are_told_of_in_a_sentence(postgres: Cluster, place: Settings) -> None:
    run_postgresql(place.database)
    role = f"reader_{place.database.rpartition('/')[2]}"
    postgres.query(f"CREATE ROLE {role} LOGIN")
    with pytest.raises(DatabaseUnreachable, match="permission denied for table alembic_version"):
        run_postgresql(place.database.replace("entrepot@", f"{role}@"))


def test_a_server_before_15_is_refused_in_a_sentence(postgres: Cluster, place: Settings) -> None:
    def older(answer: bytes) -> bytes:
        begin, name, rest = answer.partition(b"server_version\0")
        return begin + name + (b"14" + rest[2:] if name else rest)

    with Tap(postgres.port, older) as tap:
        address = place.database.replace(f"127.0.0.1:{postgres.port}", tap.host)
        for refused in (run_postgresql, lambda url: asyncio.run(check_postgresql(url))):
            with pytest.raises(PostgresqlTooOld, match=r"is on PostgreSQL 14.*15 or newer"):
                refused(address)
    assert run_postgresql(place.database) != []
