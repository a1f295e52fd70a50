"""A throw-away PostgreSQL with an en-US locale: durable like a real one, reachable from loopback and from namespaces of a test.

The locale is deliberately not "C": text compares there in another order than bytes do, and the product must not care.
"""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from support.processes import Server, accepts, descendants, free_port
from support.tools import Program, cache, program

_START_LIMIT_S: Final = 60.0
_STOP_LIMIT_S: Final = 30.0
_LOCALE: Final = ("--locale=C", "--locale-provider=icu", "--icu-locale=en-US", "--encoding=UTF8")
_LOOPBACK: Final = "127.0.0.1"
_SETTINGS: Final = {
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "300",
    "jit": "off",
}


class Cluster:
    """A running PostgreSQL server of our own; it gives out fresh databases."""

    def __init__(self, *addresses: str) -> None:
        """Start it, listening on these addresses of this machine's cables to namespaces too."""
        self._addresses = addresses
        # Under /tmp and not in pytest's folder: the server runs as another user, who may not enter that one.
        self._folder = Path(tempfile.mkdtemp(prefix="entrepot-postgres-"))
        self._user = server_user()
        self._postgres = for_user(program("postgres"), self._folder, self._user)
        self._numbers = itertools.count(1)
        self.port = 0
        self._folder.chmod(0o755)
        data = self._folder / "data"
        data.mkdir(0o700)
        if self._user is not None:
            os.chown(data, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb", *_LOCALE, "--username=entrepot", "--auth=trust", "--no-sync", "--no-instructions", "--pgdata", str(data)
        )
        with (data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.writelines(f"host all all {address}/30 trust\n" for address in addresses)
        self.start()

    def start(self) -> None:
        """Start the server, on the port that it had before if it was started before."""
        self.port = self.port or free_port()
        own = {"port": str(self.port), "listen_addresses": ",".join((_LOOPBACK, *self._addresses))}
        settings = [f"--{name}={value}" for name, value in {**_SETTINGS, **own}.items()]
        command = [str(self._postgres.path), "-D", str(self._folder / "data"), *settings]
        self._server = Server(
            command,
            log=self._folder / "log",
            environment=self._postgres.surroundings(),
            ends_by="INT",
            become=as_user(self._user),
        )
        self._server.wait_until(self._answers, _START_LIMIT_S)

    def stop(self) -> None:
        """Stop the server, breaking off open connections."""
        self._server.stop(_STOP_LIMIT_S)

    def demote(self) -> None:
        """Start it again as a standby, as after another server has taken over."""
        self.stop()
        (self._folder / "data" / "standby.signal").touch()
        self.start()

    def promote(self) -> None:
        """Let a standby take writes again."""
        self.query("SELECT pg_promote()")

    def kill(self) -> None:
        """End all its processes at once."""
        self._server.kill()

    def freeze(self) -> None:
        """Let none of its processes run: it accepts connections, and says nothing."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them run again."""
        self._signal_all(signal.SIGCONT)

    def remove(self) -> None:
        """Stop the server and delete all that it held."""
        self.stop()
        shutil.rmtree(self._folder)

    def new_database(self, address: str = _LOOPBACK) -> str:
        """Make an empty database with the en-US locale and return its address, for whoever reaches this machine there."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.query(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'")
        return f"postgresql://entrepot@{address}:{self.port}/{name}"

    def query(self, statement: str, database: str = "postgres") -> str:
        """Run one statement and return its rows, fields separated by `|`."""
        where = [
            "--host=127.0.0.1",
            f"--port={self.port}",
            "--username=entrepot",
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "-v",
            "ON_ERROR_STOP=1",
        ]
        return self._run("psql", *where, "--command", statement, database)

    def _signal_all(self, number: signal.Signals) -> None:
        # The main process first: it begins another one for each connection.
        for pid in (self._server.process.pid, *descendants(self._server.process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _answers(self) -> bool:
        # During recovery it accepts the connection only to say that it is not ready.
        return accepts(self.port) and "- accepting" in self._run(
            "pg_isready", "--host=127.0.0.1", f"--port={self.port}", check=False
        )

    def _run(self, name: str, *words: str, check: bool = True) -> str:
        # Debian's /usr/bin/psql is a script that looks for its clusters; the real programs lie beside the server.
        command = [*as_user(self._user), str(self._postgres.path.with_name(name)), *words]
        done = subprocess.run(command, env=self._postgres.surroundings(), capture_output=True, text=True, check=False, cwd="/")
        assert not check or done.returncode == 0, f"{name} failed: {done.stderr}{done.stdout}"
        return done.stdout.strip()


def server_user() -> pwd.struct_passwd | None:
    """Return the user that servers run as which refuse to run as root, or None when this one will do."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def as_user(user: pwd.struct_passwd | None) -> list[str]:
    """Return the words before a command that make it that user's."""
    return [] if user is None else ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def for_user(server: Program, folder: Path, user: pwd.struct_passwd | None) -> Program:
    """Return the server's program where that user can run it, if need be linked into the folder with what it needs."""
    path = server.path.resolve()
    root = cache() / "debian"
    if (
        user is None
        or not path.is_relative_to(root)
        or not subprocess.run([*as_user(user), "test", "-x", str(path)], check=False).returncode
    ):
        return Program(server.name, path, server.environment)
    # An unpacked server in root's own folder cannot be reached by another user, so that user gets links to it.
    copy = folder / "root"
    for part in (*root.glob("usr/lib/postgresql"), *root.glob("usr/share/postgresql*"), *root.glob("usr/lib/*-linux-gnu")):
        shutil.copytree(part, copy / part.relative_to(root), symlinks=True, copy_function=_link)
    libraries = ":".join(str(path) for path in copy.glob("usr/lib/*-linux-gnu"))
    own = copy / path.relative_to(root)
    if not own.exists():
        own.parent.mkdir(parents=True)
        _link(str(path), str(own))
    return Program(server.name, own, {**server.environment, "LD_LIBRARY_PATH": libraries})


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target
