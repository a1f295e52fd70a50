"""`make screenshots`: serves the demo hub and takes the pictures in docs/screenshots anew.

Usage: python -m tools.screens

The pictures are of a hub that is made for the moment, with Debian's Chromium from the folder of `tools.testbed`.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, sync_playwright

_FOLDER: Final = Path("docs/screenshots")
_WIDE, _NARROW = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
_LIMIT_S: Final = 60.0
# Name, address, language, colours, window, and whether an administrator looks.
SCREENS: Final[tuple[tuple[str, str, str, str, dict[str, int], bool], ...]] = (
    ("home", "/", "en", "light", _WIDE, False),
    ("search", "/search?q=postgres", "en", "light", _WIDE, False),
    ("image", "/r/postgres", "en", "light", _WIDE, False),
    ("image-dark", "/r/postgres", "fr", "dark", _WIDE, False),
    ("tags", "/r/postgres/-/tags", "en", "light", _WIDE, False),
    ("compare", "/r/postgres/-/compare", "en", "dark", _WIDE, False),
    ("community", "/r/alice/sqlite-tools", "fr", "light", _WIDE, False),
    ("phone", "/r/nginx", "en", "light", _NARROW, False),
    ("members", "/orgs/equipe-backend/members", "en", "light", _WIDE, True),
    ("administration", "/admin", "en", "light", _WIDE, True),
)


def main() -> int:
    """Take all pictures."""
    _FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="entrepot-screens-") as folder:
        url = f"http://localhost:{_free_port()}"
        serving = [sys.executable, "-m", "entrepot", "serve", "--data", folder, "--listen", url.removeprefix("http://")]
        with subprocess.Popen([*serving, "--log-level", "error"]) as server:
            try:
                _until(lambda: urllib.request.urlopen(f"{url}/readyz", timeout=5).status == 200)  # noqa: S310, PLR2004 - our own
                subprocess.run([sys.executable, "-m", "entrepot", "demo", "--data", folder], check=True)
                _until(lambda: b"postgres-backup" in urllib.request.urlopen(f"{url}/v1/search?q=backup", timeout=5).read())  # noqa: S310
                _take(url, Path(folder, "admin-password").read_text("utf-8").strip(), Path(folder))
            finally:
                server.terminate()
    return 0


def _take(url: str, password: str, folder: Path) -> None:
    cache = Path(os.environ.get("ENTREPOT_TOOLS") or Path.home() / ".cache" / "entrepot-tools")
    chromium = json.loads((cache / "programs.json").read_text("utf-8"))["chromium"]
    environment = {**os.environ, **chromium["environment"], "HOME": str(folder)}
    words = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium["path"], args=words, env=environment)
        cookies = _signed_in(browser, url, password)
        for name, path, language, colours, window, is_admin in SCREENS:
            context = browser.new_context(viewport=window, locale=language, color_scheme=colours)  # type: ignore[arg-type]
            context.add_cookies(cookies if is_admin else [])
            page = context.new_page()
            page.goto(url + path)
            page.screenshot(path=_FOLDER / f"{name}.png")
            context.close()
        browser.close()


def _signed_in(browser: Browser, url: str, password: str) -> list[Any]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.fill("input[name=name]", "admin")
    page.fill("input[type=password]", password)
    page.click("main button.btn-go")
    page.wait_for_selector("details.menu")
    found = list(context.cookies())
    context.close()
    return found


def _until(is_so: Any) -> None:
    end = time.monotonic() + _LIMIT_S
    while True:
        try:
            if is_so():
                return
        except (OSError, urllib.error.URLError):
            pass
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
