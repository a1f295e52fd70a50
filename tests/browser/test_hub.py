"""Pages of the hub in a real Chromium: nothing that anybody wrote into them runs or loads, and the browser has nothing to say."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from support import images
from support.accounts import PASSWORD, Signed, basic
from support.instance import Instance
from support.tools import Program, program

_NAME: Final = "team/app"
_LIMIT_S: Final = 60.0
# Each leaves its mark in the page's title or loads something; a few hundred others are tried without a browser.
_README: Final = """
# Title

<script>document.title = 'ran'</script> <img src=/r/loaded onerror="document.title = 'ran'"> <svg onload="document.title = 'ran'">
<a id=main name=q href="javascript:document.title = 'ran'">x</a>

<p class="hall hall-official" style="position:fixed;inset:0">over</p>
<style>body { background: url(/r/loaded) }</style> <iframe src="/r/loaded"></iframe>

<details open ontoggle="document.title = 'ran'">y</details>
<form action=/r/loaded><input name=q autofocus onfocus="document.title = 'ran'"></form>

```html
</code></pre><script>document.title = 'ran'</script>
```
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A hub with an image whose every field was written by somebody who wants a page to do something."""
    data = tmp_path_factory.mktemp("hub") / "data"
    with Instance(data, access="accounts", admin_password=PASSWORD, access_log=True) as instance:
        admin = Signed(instance.url, basic("admin", PASSWORD))
        bad = "</code></pre></title><script>document.title = 'ran'</script>"
        config: dict[str, Any] = {
            "User": bad,
            "Env": [f"A={bad}"],
            "Labels": {bad: bad, "org.opencontainers.image.licenses": bad},
        }
        images.push(admin, _NAME, images.image([images.random_layer(1, 2_000)], **config), "v1", "latest")
        body = json.dumps({"description": bad, "readme": _README}).encode()
        done = admin.request("PATCH", f"/api/v1/repositories/{_NAME}", body=body, headers={"content-type": "application/json"})
        assert done.status == 200, done
        yield instance


@pytest.fixture(scope="module")
def chromium() -> Program:
    """The browser."""
    return program("chromium")


def dumped(chromium: Program, folder: Path, url: str) -> tuple[str, list[str]]:
    """Open a page; return its document when it has loaded, and what the browser said of it on its console."""
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    words += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom"]
    done = subprocess.run(
        [str(chromium.path), *words, url],
        env=chromium.surroundings(HOME=str(folder)),
        capture_output=True,
        timeout=_LIMIT_S,
        check=True,
    )
    said = re.findall(r"CONSOLE[^\n]*", done.stderr.decode("utf-8", "replace"))
    return done.stdout.decode("utf-8", "replace"), said


@pytest.mark.parametrize("path", ["/", f"/r/{_NAME}", f"/r/{_NAME}/-/tags", f"/r/{_NAME}/-/tags/v1", "/r/no/such"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_nothing_in_a_page_runs_or_loads_and_the_console_is_empty(
    chromium: Program, hub: Instance, tmp_path: Path, path: str, language: str
) -> None:
    document, said = dumped(chromium, tmp_path, f"{hub.url}{path}?lang={language}")
    assert f'<html lang="{language}"' in document
    assert "<title>ran</title>" not in document
    assert said == []
    assert "path=/r/loaded " not in hub.log_end(400)


def test_what_runs_or_says_something_is_seen(chromium: Program, tmp_path: Path) -> None:
    """What makes the test above worth something."""
    page = tmp_path / "page.html"
    page.write_text("<title>quiet</title><script>document.title = 'ran'; console.log('seen')</script>", "utf-8")
    document, said = dumped(chromium, tmp_path, page.as_uri())
    assert "<title>ran</title>" in document
    assert len(said) == 1
