"""The connection on which a migration of PostgreSQL runs: SQLAlchemy's, on our driver, and through a pooler too.

A pooler may give each transaction another connection. So nothing is asked outside one, no statement is prepared under a name that
another transaction would look for, and settings hold for the transaction alone. SQLAlchemy is imported only when it is needed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from entrepot.base.databases import parse_database

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_CONNECT_TIMEOUT_S: Final = 5
# Shorter than what nodes that serve may be kept waiting for; and who migrates asks all the time, or is no more.
_SETTINGS: Final = ("lock_timeout = '1500ms'", "idle_in_transaction_session_timeout = '60s'")


async def on_connection(url: str, upgrade: Callable[["Connection"], None]) -> None:
    """Run one migration on a connection of its own."""
    import asyncpg  # noqa: PLC0415 - only clusters have it
    from sqlalchemy import event  # noqa: PLC0415 - see the module's docstring
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    class Plain(asyncpg.Connection):
        """SQLAlchemy would teach it the types of JSON, outside a transaction; our JSON is text."""

        async def set_type_codec(self, *_what: Any, **_how: Any) -> None:
            """Leave all types as they are."""

    async def connect() -> "asyncpg.Connection[Any]":
        # The driver reads the address itself: SQLAlchemy would read its options (sslmode) otherwise.
        where = parse_database(url).url
        settings = {"application_name": "entrepot migration"}
        return await asyncpg.connect(
            where, timeout=_CONNECT_TIMEOUT_S, statement_cache_size=0, server_settings=settings, connection_class=Plain
        )

    def create() -> Any:
        module: Any = engine.dialect.dbapi
        return module.connect(async_creator_fn=connect, prepared_statement_cache_size=0, prepared_statement_name_func=str)

    engine = create_async_engine("postgresql+asyncpg://", creator=create)

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: "Connection") -> None:
        for setting in _SETTINGS:
            connection.exec_driver_sql(f"SET LOCAL {setting}")

    try:
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
