"""A page as a reader without a screen has it: its text, its links, and that its HTML is whole."""

from html.parser import HTMLParser
from typing import Final

from support.http import Answer, Client

_EMPTY: Final = frozenset({"meta", "link", "input", "br", "hr", "img"})
_UNSEEN: Final = frozenset({"script", "style", "title"})


class Read(HTMLParser):
    """What was read of a page; `stray` names tags that were closed in another order than they were opened."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.status = answer.status
        self.headers = answer.headers
        self.links: list[str] = []
        self.ids: list[str] = []
        self.stray: list[str] = []
        self.title = ""
        self.language = ""
        self._open: list[str] = []
        self._pieces: list[str] = []
        self.feed(answer.content.decode())
        self.close()
        self.stray += self._open

    @property
    def text(self) -> str:
        """The text, with single spaces."""
        return " ".join("".join(self._pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        if tag == "html":
            self.language = about.get("lang") or ""
        if tag == "a":
            self.links.append(about.get("href") or "")
        if about.get("id"):
            self.ids.append(str(about["id"]))
        if tag not in _EMPTY:
            self._open.append(tag)
        self._pieces.append(" " if tag in ("td", "th", "dt", "dd", "li", "p", "div", "small", "br") else "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what closes itself, as the parts of drawings do, for whole."""

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.stray.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "title":
            self.title += data
        if not (self._open and self._open[-1] in _UNSEEN):
            self._pieces.append(data)


def read(client: Client, path: str, **headers: str) -> Read:
    """Ask for a page as a browser does; headers are named with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = Read(client.get(path, headers={"accept": "text/html", **named}))
    assert not found.stray, (path, found.stray)
    assert len(set(found.ids)) == len(found.ids), (path, found.ids)
    return found
