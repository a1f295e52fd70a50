"""`make run`: makes what is missing, starts Entrepot in the foreground and tells how to use it.

Usage: python -m tools.run.launch --port PORT --data DIR
"""

import argparse
import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tools.run import environment, ports, record
from tools.run.banner import banner, moved

READY_LIMIT_S = 600
FIRST_NOTE_S = 15
LOG_LIMIT_BYTES = 32 << 20
SHOWN_LOG_BYTES = 4096
# They belong to the tests; the product would take them for misspelt settings.
NOT_SETTINGS = ("ENTREPOT_TOOLS", "ENTREPOT_TEST_COUNTS")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Refused(Exception):
    """Entrepot is not started; the text says why and what to do."""


class Server:
    """The started product, and the stop that was asked for."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, log_start: int) -> None:
        self.process = process
        self.stops = 0
        self._log, self._log_start = log, log_start

    def stop(self, signum: int, _frame: FrameType | None) -> None:
        """Pass a stop on. The product finishes its transfers; the second time it hurries, the third time it is ended."""
        self.stops += 1
        if self.stops == 1:
            name = "Ctrl+C" if signum == signal.SIGINT else signal.Signals(signum).name
            print(f"\nStopping ({name}); running transfers may finish. Ctrl+C twice more ends it at once.", flush=True)
        most_patient = 2
        self.send(signal.SIGTERM if self.stops <= most_patient else signal.SIGKILL)

    def send(self, signum: signal.Signals) -> None:
        """Signal the product; a hard end goes to its workers as well."""
        if self.process.poll() is not None:
            return
        if signum == signal.SIGKILL:
            os.killpg(self.process.pid, signum)
        else:
            self.process.send_signal(signum)

    def last_words(self) -> str:
        """Return the end of what this run wrote to the log."""
        with self._log.open("rb") as file:
            file.seek(max(self._log_start, self._log.stat().st_size - SHOWN_LOG_BYTES))
            return file.read().decode(errors="replace").rstrip()


def run(port: int, data: Path) -> int:
    """Serve the data folder on the port until stopped; return the exit code.

    Raises:
        Refused: It could not be started.
        environment.Unfit: The virtual environment cannot be made.
    """
    _check_running(data)
    _check_port(port, data)
    python = environment.ensure("run")
    # Making the environment took its time, and the port may have gone meanwhile.
    _check_port(port, data)
    log = _prepare(data)
    with _started(python, port, data, log) as server:
        if not _wait_until_ready(server, port):
            if server.stops:
                return _farewell(server)
            code = server.process.wait()
            raise Refused(f"Entrepot did not start (exit code {code}). It said:\n\n{server.last_words()}\n\nThe log is {log}.")
        is_secure = _status(port, "/readyz", tls=True) == http.client.OK
        is_open = _status(port, "/v2/", tls=is_secure) == http.client.OK
        print(banner(port, data, log, scheme="https" if is_secure else "http", is_open=is_open), flush=True)
        server.process.wait()
        return _farewell(server)


def _check_running(data: Path) -> None:
    running = record.read(data)
    if running:
        raise Refused(
            f"Entrepot already serves {data} on http://localhost:{running.port} (process {running.pid}).\n"
            f"`make stop{moved(data)}` stops it."
        )


def _check_port(port: int, data: Path) -> None:
    why = ports.why_not(port)
    if why:
        other = next((each for each in range(max(port, 5000) + 1, 65536) if ports.why_not(each) is None), 5001)
        raise Refused(f"{why}\nChoose another: make run PORT={other}{moved(data)}")


def _prepare(data: Path) -> Path:
    """Make the data folder and set an outgrown log aside; return the log's path."""
    log = data / "log" / "entrepot.log"
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        log.parent.mkdir(exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
    except OSError as error:
        message = (
            f"The data folder {data} cannot be used: {error.strerror} ({error.filename}).\nChoose another: make run DATA=DIR"
        )
        raise Refused(message) from None
    return log


@contextmanager
def _started(python: Path, port: int, data: Path, log: Path) -> Iterator[Server]:
    """Start the product apart from the terminal, so that Ctrl+C reaches it once, through us, and leave none behind."""
    command = [str(python), "-m", "entrepot", "serve", "--data", str(data), "--listen", f"127.0.0.1:{port}"]
    # No balancer has to be told first that this instance goes away.
    command += ["--shutdown-delay", "0"]
    surroundings = {name: value for name, value in os.environ.items() if name not in NOT_SETTINGS}
    with log.open("ab") as output:
        # From before the start on: a Ctrl+C in between must not leave a server without its keeper.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        start = output.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=surroundings,
            preexec_fn=_unblock,  # noqa: PLW1509 - this program has one thread only
        )
    server = Server(process, log, start)
    for each in STOP_SIGNALS:
        signal.signal(each, server.stop)
    _unblock()
    try:
        record.write(data, process.pid, port)
        yield server
    finally:
        server.send(signal.SIGTERM)
        process.wait()
        record.remove(data)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _wait_until_ready(server: Server, port: int) -> bool:
    """Wait until the product answers that it serves; False when it ended, was stopped or took too long."""
    began, noted = time.monotonic(), 0.0
    while server.process.poll() is None and not server.stops:
        if _is_ready(port):
            return True
        waited = time.monotonic() - began
        if waited > noted + FIRST_NOTE_S:
            noted = waited
            print(f"Entrepot is still starting ({waited:.0f} s) ...", flush=True)
        if waited > READY_LIMIT_S:
            server.send(signal.SIGKILL)
            break
        time.sleep(0.05)
    return False


def _is_ready(port: int) -> bool:
    # The settings may come from variables or a file, so that only asking tells whether it is HTTPS that is served.
    return http.client.OK in (_status(port, "/readyz", tls=tls) for tls in (False, True))


def _status(port: int, path: str, *, tls: bool) -> int:
    """Return the status of an answer, 0 when there is none."""
    # http.client, because it knows nothing of proxies that the person may have set.
    connection: http.client.HTTPConnection
    if tls:
        unverified = ssl._create_unverified_context()  # noqa: S323, SLF001 - it is asked whether it serves, and told nothing
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=unverified)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _farewell(server: Server) -> int:
    """Say how it ended; a stop that was asked for, here or by `make stop`, is a success."""
    code = server.process.wait()
    if code == 0 or (server.stops and code in (-signal.SIGTERM, -signal.SIGKILL)):
        print("Entrepot has stopped.", flush=True)
        return 0
    print(f"Entrepot has ended by itself (exit code {code}). Its last words:\n\n{server.last_words()}", file=sys.stderr)
    return 1


def _port(text: str) -> int:
    most = 65535
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= most):
        raise argparse.ArgumentTypeError(f"PORT is '{text}': expected a number from 1 to {most}")
    return int(text)


def main() -> int:
    """Read what make passes and serve; the exit code is 1 when nothing was started."""
    parser = argparse.ArgumentParser(prog="make run", usage="make run [PORT=5000] [DATA=./data]")
    parser.add_argument("--port", type=_port, required=True)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    try:
        return run(options.port, options.data.expanduser().resolve())
    except (Refused, environment.Unfit) as refused:
        print(refused, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped before Entrepot was started.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
