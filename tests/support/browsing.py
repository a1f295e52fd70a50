"""A browser without a screen before a hub in this process: it keeps its cookie, and sends forms as pages of the hub do."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from support.accounts import PASSWORD
from support.http import Answer
from support.inside import Inside
from support.reading import Read

_ORIGIN: Final = "http://hub.example"
_FORM: Final = "application/x-www-form-urlencoded"
_MARK: Final = re.compile(rb'name="form" value="([0-9a-f]{96})"')


class Browser:
    """Somebody's browser, who is signed in if a name is given."""

    def __init__(self, hub: Inside, name: str = "") -> None:
        self._hub = hub
        self._cookie = ""
        self._mark = ""
        if name:
            answer = self.send("/sign-in", name=name, password=PASSWORD)
            assert answer.status == 303, answer.content
            self._cookie = answer.headers["set-cookie"].partition(";")[0]
            found = _MARK.search(self.get("/").content)
            assert found
            self._mark = found.group(1).decode()

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page."""
        told = {"accept": "text/html", "cookie": self._cookie, **headers}
        return self._hub.request("GET", path, headers={name: value for name, value in told.items() if value})

    def see(self, path: str) -> Read:
        """Ask for a page and read it; its HTML is whole."""
        found = Read(self.get(path))
        assert not found.stray, (path, found.stray)
        assert len(set(found.ids)) == len(found.ids), (path, found.ids)
        return found

    def send(self, path: str, **fields: str) -> Answer:
        """Send a form, with the mark of the session."""
        return self.submit(path, fields)

    def submit(self, path: str, fields: Mapping[str, str], *, origin: str = _ORIGIN, marked: bool = True) -> Answer:
        """Send a form, if asked to as a page of another site would: from another origin, or without the session's mark."""
        about = {"accept": "text/html", "origin": origin, "content-type": _FORM, "cookie": self._cookie}
        body = urlencode({"form": self._mark, **fields} if marked else fields).encode()
        return self._hub.request("POST", path, body, headers={name: value for name, value in about.items() if value})
