"""What people write, in a browser: nothing of it runs, asks elsewhere, or takes the place of a part of the page."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from support import images
from support.accounts import PASSWORD, Signed, basic, with_accounts
from support.chromium import Look, browser, window
from support.instance import Instance

JSON: Final = {"content-type": "application/json"}
pytestmark = pytest.mark.single
# Ways to run a script that pages of others fell for: OWASP's and PortSwigger's lists, shortened to one of each kind.
VECTORS: Final = (
    "<script>bad(1)</script>",
    "<img src=x onerror=bad(2)>",
    "<svg onload=bad(3)>",
    "<svg><script>bad(4)</script></svg>",
    '<a href="javascript:bad(5)">x</a>',
    "[x](javascript:bad(6))",
    "[x](JaVaScRiPt:bad(7))",
    "[x](java\tscript:bad(8))",
    "[x](data:text/html;base64,PHNjcmlwdD5iYWQoOSk8L3NjcmlwdD4=)",
    '![x](x"onerror="bad(10))',
    "<iframe srcdoc='<script>bad(11)</script>'></iframe>",
    "<object data='javascript:bad(12)'></object>",
    "<math><mi xlink:href='javascript:bad(13)'>x</mi></math>",
    "<details open ontoggle=bad(14)><summary>x</summary></details>",
    "<input autofocus onfocus=bad(15)>",
    "<form action='javascript:bad(16)'><button>x</button></form>",
    "<style>@import 'http://elsewhere.example/x.css'; body{display:none}</style>",
    "<link rel=stylesheet href=http://elsewhere.example/x.css>",
    "<base href=http://elsewhere.example/>",
    "<meta http-equiv=refresh content='0;url=http://elsewhere.example/'>",
    "</div></article></main><script>bad(17)</script>",
    '<noscript><p title="</noscript><img src=x onerror=bad(18)>">',
    "<svg><animate onbegin=bad(19) attributeName=x dur=1s>",
    "<video><source onerror=bad(20)></video>",
    "```html\n</code></pre><script>bad(21)</script>\n```",
    "<x contenteditable onbeforeinput=bad(22)>x</x>",
    "&lt;script&gt;bad(23)&lt;/script&gt;",
    "<table background='javascript:bad(24)'><tr><td>x</table>",
    '" onmouseover="bad(25)" x="',
    "{{ 7*7 }}{% raw %}<script>bad(26)</script>{% endraw %}",
)
IMITATION: Final = """# <span id="q">x</span>

<div id="main" class="note note-bad" role="alert"><strong>Sign in again</strong></div>
<form id="suggest" action="http://elsewhere.example/"><input name="password" type="password"></form>
<button class="btn btn-go" data-copy="pin">Copy</button>
<a class="hall hall-official" href="#main">Official image</a>
<p style="position:fixed;inset:0;background:#fff">all of it</p>
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A hub with an image for each field that people write into."""
    data = tmp_path_factory.mktemp("hostile") / "data"
    with Instance(data, access="accounts", admin_password=PASSWORD, workers=1) as instance:

        async def people(who: Accounts) -> None:
            await who.users.add("mallory", PASSWORD)

        with_accounts(Settings(data=str(data)), people)
        mallory = Signed(instance.url, basic("mallory", PASSWORD))
        everything = "\n\n".join(VECTORS)
        labels = {f"label.{number}{each}"[:200]: each for number, each in enumerate(VECTORS)}
        labels["org.opencontainers.image.source"] = "javascript:bad(30)"
        config: dict[str, Any] = {
            "Env": [f"V={each}" for each in VECTORS],
            "Cmd": list(VECTORS),
            "Labels": labels,
            "User": VECTORS[1],
        }
        for name in ("texts", "imitation"):
            images.push(mallory, f"mallory/{name}", images.image([images.random_layer(1, 900)], **config), "latest", "1.0")
        images.push(mallory, "mallory/texts", images.simple_image(2), "2.0")
        for name, text in (("texts", everything), ("imitation", IMITATION)):
            body = json.dumps({"description": VECTORS[1] + VECTORS[0], "readme": text}).encode()
            answer = mallory.request("PATCH", f"/api/v1/repositories/mallory/{name}", body=body, headers=JSON)
            assert answer.status == 200, answer.content
        yield instance


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(Path(tmp_path_factory.mktemp("home"))) as started:
        yield started


@pytest.mark.parametrize("path", ["", "/-/tags", "/-/tags/1.0", "/-/compare?from=1.0&to=2.0"])
def test_nothing_that_people_write_runs(hub: Instance, chromium: Browser, path: str) -> None:
    with window(chromium, Look()) as (context, page, seen):
        context.add_init_script("window.ran = []; window.bad = number => window.ran.push(number)")
        page.goto(f"{hub.url}/r/mallory/texts{path}", wait_until="networkidle")
        assert page.evaluate("window.ran") == []
        assert seen.foreign(hub.url.partition("://")[2]) == []
        assert not [each for each in seen.complaints if "dialog" in each]
        assert page.url == f"{hub.url}/r/mallory/texts{path}"
        assert page.evaluate("getComputedStyle(document.body).display") != "none"
        for link in page.eval_on_selector_all("a[href]", "all => all.map(each => each.href)"):
            assert not link.lower().startswith(("javascript:", "data:")), link


@pytest.mark.parametrize(
    "path", ["/search?q={}", "/search/suggest?q={}", "/r/{}", "/sign-in?next={}", "/r/mallory/texts/-/tags?tag={}"]
)
def test_nothing_that_an_address_says_runs(hub: Instance, chromium: Browser, path: str) -> None:
    with window(chromium, Look()) as (context, page, seen):
        context.add_init_script("window.ran = []; window.bad = number => window.ran.push(number)")
        for each in VECTORS[:8]:
            page.goto(hub.url + path.format(each.replace("#", "%23").replace("&", "%26").replace("\t", "%09")), wait_until="load")
            assert page.evaluate("window.ran") == [], each
        assert seen.foreign(hub.url.partition("://")[2]) == []


def test_a_readme_cannot_take_the_place_of_the_page(hub: Instance, chromium: Browser) -> None:
    with window(chromium, Look()) as (_, page, _seen):
        page.goto(f"{hub.url}/r/mallory/imitation")
        inside = ".prose "
        for each in ("form", "input:not([type=checkbox])", "button", "[style]", "[class^=note]", ".btn", ".hall", "#main", "#q"):
            assert page.locator(inside + each).count() == 0, each
        assert page.locator("#main").count() == 1
        assert page.locator("#q").count() == 1
        assert "mallory/imitation" in page.locator("h1").inner_text()
