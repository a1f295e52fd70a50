"""What is said of a PostgreSQL server that cannot be used; the migrations themselves are tested in `tests/migrations`."""

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from entrepot.base.settings import Settings
from entrepot.platform.db import migrate
from entrepot.platform.db.migrate import (
    DatabaseUnreachable,
    MigrationFailed,
    PostgresqlTooOld,
    check_postgresql,
    run_postgresql,
)
from entrepot.platform.db.upgrading import on_connection
from support.postgres import Cluster
from support.tap import Tap

SECRET: Final = "hush-hush"  # noqa: S105 - nobody's

OVERDUE_S: Final = 2.0  # what takes a server longer is done anew on another connection
MIGRATE: Final = """
import sys
from entrepot.platform.db import migrate
migrate._HELD_FOR = "1s"
migrate.run_postgresql(sys.argv[1])
"""


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


def test_a_node_that_loses_its_power_while_it_migrates_lets_the_others_go_on(place: Settings) -> None:
    held = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND datname = $1"

    async def scenario() -> None:
        name = place.database.rpartition("/")[2]
        other = await asyncpg.connect(place.database)
        async with other.transaction():
            await other.execute("CREATE TABLE alembic_version (version_num TEXT)")  # what migrates waits for it
            node = await asyncio.create_subprocess_exec(sys.executable, "-c", MIGRATE, place.database)
            async with asyncio.timeout(20):
                while await other.fetchval(held, name) != 1:  # noqa: ASYNC110 - another process's lock is waited for
                    await asyncio.sleep(0.05)
            node.send_signal(signal.SIGSTOP)
            try:
                async with asyncio.timeout(10):
                    while await other.fetchval(held, name):  # noqa: ASYNC110 - see above
                        await asyncio.sleep(0.05)
            finally:
                node.kill()
                await node.wait()
        await other.close()

    asyncio.run(scenario())


def test_a_node_that_migrates_for_long_keeps_the_lock(place: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "_HELD_FOR", "3s")
    monkeypatch.setattr(migrate, "_SIGN_EVERY_S", 0.1)
    upgrade = migrate._upgrade_postgresql

    async def slowly(url: str, shown: str, revision: str) -> None:
        if revision == migrate.REVISIONS[-1]:
            await asyncio.sleep(4)
        await upgrade(url, shown, revision)

    monkeypatch.setattr(migrate, "_upgrade_postgresql", slowly)
    assert run_postgresql(place.database) == list(migrate.REVISIONS)


def test_a_migration_gives_up_before_those_who_serve_would_notice(place: Settings) -> None:
    async def scenario() -> None:
        other = await asyncpg.connect(place.database)
        async with other.transaction():
            await other.execute("CREATE TABLE alembic_version (version_num TEXT)")
            with pytest.raises(MigrationFailed, match="lock timeout"):
                async with asyncio.timeout(OVERDUE_S):
                    await on_connection(place.database, partial(migrate._upgrade, revision="0001", shown="it"))
        await other.close()

    asyncio.run(scenario())


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
