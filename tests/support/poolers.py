"""A real PgBouncer before a PostgreSQL of the tests: few connections to it, another one for each transaction."""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from support.pages import Page
from support.postgres import as_user, for_user, server_user
from support.processes import Server, accepts, free_port
from support.tools import program

SIZE: Final = 3
_LIMIT_S: Final = 30.0


class PgBouncer:
    """Runs until the end of its block."""

    def __init__(self, postgres: int, mode: str = "transaction") -> None:
        self._option = "?pooler=transaction" if mode == "transaction" else ""
        found, user = program("pgbouncer"), server_user()
        self.port = free_port()
        # Where that user may enter: it does not run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="entrepot-pgbouncer-"))
        self._folder.chmod(0o755)
        found = for_user(found, self._folder, user)
        file = self._folder / "pgbouncer.ini"
        file.write_text(_settings(postgres, self.port, mode), "utf-8")
        self._server = Server(
            [str(found.path), str(file)], log=self._folder / "log", environment=found.surroundings(), become=as_user(user)
        )
        self._server.wait_until(lambda: accepts(self.port), _LIMIT_S)

    def url(self, database: str) -> str:
        """Return the setting for a database whose own address is given."""
        return f"postgresql://entrepot@127.0.0.1:{self.port}/{database.rpartition('/')[2]}{self._option}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.kill()
        shutil.rmtree(self._folder)


def _settings(postgres: int, port: int, mode: str) -> str:
    """Return what the page says, with other addresses, fewer connections, and trust as in PostgreSQL of the tests."""
    (text,) = Page("cluster.md").blocks("Through PgBouncer", "ini")
    for old, new in (
        ("registry = host=db.example port=5432", f"* = host=127.0.0.1 port={postgres} user=entrepot"),
        ("listen_port = 6432", f"listen_port = {port}\nunix_socket_dir ="),
        ("auth_type = scram-sha-256\nauth_file = /etc/pgbouncer/userlist.txt", "auth_type = any"),
        ("pool_mode = transaction", f"pool_mode = {mode}"),
        ("default_pool_size = 20", f"default_pool_size = {SIZE}"),
    ):
        assert old in text, f"the page does not say {old} any more"
        text = text.replace(old, new)
    return text
