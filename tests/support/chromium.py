"""A real browser that looks at pages: what it complains of, where it asks, and what a tool for accessibility finds."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Dialog, Page, sync_playwright

from support.tools import program

WORDS: Final = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking")
_AXE: Final = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
# WCAG 2.2, levels A and AA, and what axe calls best practice.
_RULES: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@dataclass
class Look:
    """How a page is looked at: its language, its colours, and how wide the window is."""

    language: str = "en"
    colours: str = "light"
    width: int = 1280

    def __str__(self) -> str:
        """Return what a test's id says of it."""
        return f"{self.language}-{self.colours}-{self.width}"


@dataclass
class Seen:
    """What was noticed while a page was open."""

    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def dismiss(self, dialog: Dialog) -> None:
        """Note that a script of a page asks something, and close it."""
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def foreign(self, host: str) -> list[str]:
        """Return the requests that went to another host."""
        return [each for each in self.asked if urlsplit(each).netloc not in (host, "") and not each.startswith("data:")]


@contextmanager
def browser(home: Path) -> Iterator[Browser]:
    """Start the browser; its files lie in a folder of the test's."""
    found = program("chromium")
    environment: dict[str, Any] = {**os.environ, **found.surroundings(HOME=str(home))}
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(found.path), args=list(WORDS), env=environment)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def window(of: Browser, look: Look, cookies: Sequence[Any] = ()) -> Iterator[tuple[BrowserContext, Page, Seen]]:
    """Open a window of its own, with a page that is watched."""
    context = of.new_context(
        viewport={"width": look.width, "height": 900},
        locale=look.language,
        color_scheme=look.colours,  # type: ignore[arg-type]
    )
    context.add_cookies(list(cookies))
    page, seen = context.new_page(), Seen()
    page.on("console", lambda said: seen.complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", seen.dismiss)
    page.on("request", lambda request: seen.asked.append(request.url))
    try:
        yield context, page, seen
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """Return what axe finds on a page: the rule, and where."""
    page.evaluate(_AXE)
    found = page.evaluate("rules => axe.run(document, rules)", _RULES)
    return [
        f"{each['id']}: {node['target']} {node['failureSummary'][:200]}" for each in found["violations"] for node in each["nodes"]
    ]


def sideways(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide
