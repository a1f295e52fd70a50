"""What anyone may push, opened in a real browser, or used by a page of another site: nothing of it runs.

Every page that would run calls back to a server of the test's own. That it would, and is seen, is tested as well.
"""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from support.http import Client
from support.images import MANIFEST
from support.instance import Instance
from support.processes import Server, free_port
from support.tools import Program, program
from support.wire import Repository, descriptor, digest_of, encoded

HOST: Final = "registry.example"  # to a browser another site than the test's own, and no loopback
SETTLED_S: Final = 1.5


class Listener:
    """Serves pages at any address of loopback and notes what is asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                listener.asked.append(path)
                kind, content = listener.pages.get(path, ("text/plain", b""))
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_words: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def calling(self, name: str) -> str:
        """Return a script that calls back."""
        return f"document.title='ran {name}';new Image().src='{self.url}/ran/{name}';fetch('{self.url}/ran/{name}')"

    def ran(self) -> list[str]:
        """Return who has called back."""
        return sorted({path for path in self.asked if path.startswith("/ran/")})

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """The test's own server."""
    made = Listener()
    yield made
    made.close()


@pytest.fixture(scope="module")
def chromium() -> Program:
    """The browser."""
    return program("chromium")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance that a browser may ask under a name: over plain HTTP it then does not say who asks."""
    port = free_port()
    data = tmp_path_factory.mktemp("browser") / "data"
    with Instance(data, public_url=f"http://{HOST}:{port}", access_log=True) as instance:
        instance.stop()
        instance._start(port)
        yield instance


def visit(chromium: Program, folder: Path, url: str, has_come: Callable[[], bool]) -> None:
    """Open an address in a browser of its own; when what it leads to has come, leave it a moment to do something with it."""
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    words += [f"--user-data-dir={folder / 'profile'}", "--host-resolver-rules=MAP *.example 127.0.0.1"]
    browser = Server(
        [str(chromium.path), *words, "--remote-debugging-port=0", url],
        log=folder / "browser.log",
        environment=chromium.surroundings(HOME=str(folder)),
    )
    try:
        browser.wait_until(has_come, 60)
        time.sleep(SETTLED_S)
    finally:
        browser.kill()


def open_registry(chromium: Program, folder: Path, hub: Instance, path: str) -> None:
    """Open an address of the registry and wait until it has been answered."""
    visit(chromium, folder, f"http://{HOST}:{hub.port}{path}", lambda: f"path={path} " in hub.log_end(200))


def html(listener: Listener, name: str) -> bytes:
    return f"<!doctype html><title>quiet</title><script>{listener.calling(name)}</script><p>a page".encode()


def svg(listener: Listener, name: str) -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg"><script>{listener.calling(name)}</script></svg>'.encode()


def test_what_would_run_is_seen_to_run_where_a_careless_server_serves_it(
    chromium: Program, listener: Listener, tmp_path: Path
) -> None:
    listener.pages = {"/html": ("text/html", html(listener, "html")), "/svg": ("image/svg+xml", svg(listener, "svg"))}
    listener.pages["/js"] = ("application/octet-stream", listener.calling("js").encode())
    listener.pages["/page"] = ("text/html", b"<script src=/js></script><iframe src=/html></iframe><iframe src=/svg></iframe>")
    visit(chromium, tmp_path, f"{listener.url}/page", lambda: len(listener.ran()) == 3)
    assert listener.ran() == ["/ran/html", "/ran/js", "/ran/svg"]


@pytest.mark.parametrize("kind", ["html", "svg"])
def test_a_blob_that_is_opened_in_a_browser_never_runs(
    chromium: Program, listener: Listener, hub: Instance, tmp_path: Path, kind: str
) -> None:
    repo = Repository(Client(hub.url), "team/app")
    content = {"html": html, "svg": svg}[kind](listener, kind)
    open_registry(chromium, tmp_path, hub, repo.at(f"blobs/{repo.blob(content)['digest']}"))
    assert listener.asked == []


def test_a_manifest_that_is_a_page_is_refused_and_one_that_holds_a_script_does_not_run(
    chromium: Program, listener: Listener, hub: Instance, tmp_path: Path
) -> None:
    repo = Repository(Client(hub.url), "team/app")
    page = html(listener, "manifest").decode()
    assert repo.put("v1", page.encode(), "text/html").error_code == "MANIFEST_INVALID"
    config = repo.blob(b"{}")
    content = encoded({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [], "annotations": {"x": page}})
    assert repo.put("v1", content, "text/html").error_code == "MANIFEST_INVALID"
    assert repo.put("v1", content).status == 201
    open_registry(chromium, tmp_path, hub, repo.at("manifests/v1"))
    assert listener.asked == []


def test_an_error_that_repeats_a_script_does_not_run_it(
    chromium: Program, listener: Listener, hub: Instance, tmp_path: Path
) -> None:
    script = quote(f"<script>new Image().src='{listener.url}/ran/error'</script>", safe="")
    url = f"http://{HOST}:{hub.port}/v2/team/app/manifests/{script}"
    assert b"<script>new Image" in Client(hub.url).get(f"/v2/team/app/manifests/{script}").content, "the error repeats it"
    before = hub.log_end(200).count("%3Cscript%3Enew")
    visit(chromium, tmp_path, url, lambda: hub.log_end(200).count("%3Cscript%3Enew") > before)
    assert listener.asked == []


@pytest.mark.parametrize("host", [HOST, "127.0.0.1"])
def test_a_page_of_another_site_can_use_no_blob(
    chromium: Program, listener: Listener, hub: Instance, tmp_path: Path, host: str
) -> None:
    repo = Repository(Client(hub.url), "team/app")
    contents = {"script": listener.calling("script").encode(), "frame": html(listener, "frame"), "image": svg(listener, "image")}
    contents["style"] = f"body{{background:url({listener.url}/ran/style)}}".encode()
    blobs = f"http://{host}:{hub.port}{repo.at('blobs')}"
    at = {kind: f"{blobs}/{repo.blob(content)['digest']}" for kind, content in contents.items()}
    page = f"""<!doctype html><title>quiet</title>
<script src="{at["script"]}"></script><link rel=stylesheet href="{at["style"]}"><iframe src="{at["frame"]}"></iframe>
<img src="{at["image"]}" onload="new Image().src='/ran/image-shown'">
<script>
fetch("{at["script"]}").then(() => new Image().src = "/ran/read");
fetch("{at["script"]}", {{mode: "no-cors"}}).then(() => new Image().src = "/ran/fetched");
import("{at["script"]}").then(() => new Image().src = "/ran/imported");
setTimeout(() => fetch("/done"), 1500);
</script>"""
    listener.pages["/page"] = ("text/html", page.encode())
    visit(chromium, tmp_path, f"{listener.url.replace('127.0.0.1', 'evil.example')}/page", lambda: "/done" in listener.asked)
    # At a loopback address the gate refuses; that it answered at all is seen, and what it said is not.
    assert listener.ran() in ([], ["/ran/fetched"] if host != HOST else [])


def test_a_blob_says_that_it_is_for_no_other_site(serve: Callable[..., Instance]) -> None:
    repo = Repository(serve().client(), "team/app")
    digest = repo.blob(b"abc")["digest"]
    assert digest == digest_of(b"abc") == descriptor(b"abc")["digest"]
    for answer in (repo.client.get(repo.at(f"blobs/{digest}")), repo.client.head(repo.at(f"blobs/{digest}"))):
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Content-Disposition"] == "attachment"
        assert answer.headers["Content-Type"] == "application/octet-stream"
