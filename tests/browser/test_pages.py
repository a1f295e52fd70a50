"""Every page in a real browser, as each kind of reader: nothing is complained of, nothing is asked elsewhere, all can use it."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page

from entrepot.app.demo.filling import fill
from entrepot.app.demo.stock import STOCK
from entrepot.app.parts import Accounts
from entrepot.app.parts import opened as opened_parts
from entrepot.base.settings import Settings
from support.accounts import PASSWORD, with_accounts
from support.chromium import Look, Seen, browser, sideways, violations, window
from support.instance import Instance

pytestmark = pytest.mark.single
SHOWN: Final = (
    *("library/postgres", "library/alpine", "equipe-donnees/postgres-backup", "libre-forge/sbom-tools"),
    *("equipe-backend/billing", "alice/sqlite-tools", "gwen/hello"),
)
# In `make test` each language has one width and one set of colours; all of them are looked at in the long tier.
LOOKS: Final = [Look("en", "light", 1280), Look("fr", "dark", 390)]
MORE: Final = [
    Look(language, colours, width)
    for language in ("en", "fr")
    for colours in ("light", "dark")
    for width in (320, 390, 768, 1280)
    if (language, colours, width) not in (("en", "light", 1280), ("fr", "dark", 390))
]
EVERYBODYS: Final = (
    *("/", "/?after=", "/search", "/search?q=postgres", "/search?q=posgtres&kind=official&arch=amd64&age=year", "/search?q=zzzz"),
    *("/r/postgres", "/r/postgres/-/tags", "/r/postgres/-/tags?order=name&tag=18", "/r/postgres/-/tags/18.3"),
    *("/r/postgres/-/compare", "/r/alice/sqlite-tools", "/r/gwen/hello", "/r/gwen/hello/-/compare", "/nowhere", "/r/no/such"),
    *("/api/docs", "/r/gwen/hello/-/report", "/r/gwen/hello/-/report?sent=1"),
    *("/sign-in", "/sign-in?next=/me", "/sign-up", "/sign-in/forgotten", "/accounts/links/none"),
)
SOMEBODYS: Final = (
    *("/", "/me", "/me?of=equipe-backend", "/me/account", "/me/tokens", "/me/tokens/new", "/r/equipe-backend/billing"),
    *(
        "/r/alice/sqlite-tools",
        "/r/alice/sqlite-tools/-/settings",
        "/r/alice/sqlite-tools/-/access",
        "/u/alice",
        "/u/equipe-backend",
    ),
    *(f"/orgs/equipe-backend/{page}" for page in ("members", "teams", "robots", "settings", "audit", "pulls")),
    *("/me/audit", "/me/pulls", "/u/library"),
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A hub with a part of the demo in it, whose alice can sign in."""
    data = tmp_path_factory.mktemp("pages") / "data"
    with Instance(data, access="accounts", admin_password=PASSWORD, workers=1) as instance:
        place = Settings(data=str(data))

        async def people(who: Accounts) -> None:
            await who.users.add("alice", PASSWORD)

        async def filled() -> None:
            async with opened_parts(place) as parts:
                await fill(place, parts, anyway=False, say=lambda _: None, stock=[each for each in STOCK if each.name in SHOWN])

        with_accounts(place, people)
        asyncio.run(filled())
        yield instance


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture(scope="module")
def signed_in(hub: Instance, chromium: Browser) -> dict[str, list[Any]]:
    """Sign in as people do; return the cookies of each."""
    found = {}
    for name in ("alice", "admin"):
        with window(chromium, Look()) as (context, page, _):
            page.goto(f"{hub.url}/sign-in")
            page.fill("input[name=name]", name)
            page.fill("input[type=password]", PASSWORD)
            page.click("main button.btn-go")
            page.wait_for_url(f"{hub.url}/**")
            assert page.locator("details.menu").count() == 1, f"{name} is not signed in"
            found[name] = context.cookies()
    return found


def look_at(page: Page, seen: Seen, hub: Instance, path: str) -> list[str]:
    """Open a page; return all that is wrong with it."""
    seen.complaints.clear()
    seen.asked.clear()
    page.goto(hub.url + path, wait_until="load")
    wrong = [f"{path}: says {each}" for each in seen.complaints if "404" not in each and "400" not in each]
    wrong += [f"{path}: asks {each}" for each in seen.foreign(hub.url.partition("://")[2])]
    wrong += [f"{path}: {each}" for each in violations(page)]
    if (wide := sideways(page)) > 0:
        wrong.append(f"{path}: is {wide} pixels too wide")
    return wrong


@pytest.mark.parametrize("look", [*LOOKS, *(pytest.param(each, marks=pytest.mark.long) for each in MORE)], ids=str)
@pytest.mark.parametrize("who", ["", "alice", "admin"])
def test_pages_are_whole_for_everybody(
    hub: Instance, chromium: Browser, signed_in: dict[str, list[Any]], who: str, look: Look
) -> None:
    paths = list(EVERYBODYS if not who else SOMEBODYS if who == "alice" else administrators(hub, chromium, signed_in["admin"]))
    wrong: list[str] = []
    with window(chromium, look, signed_in.get(who, ())) as (_, page, seen):
        for path in paths:
            wrong += look_at(page, seen, hub, path)
    assert not wrong, "\n".join(wrong)


def administrators(hub: Instance, chromium: Browser, cookies: list[Any]) -> list[str]:
    """Return the addresses below /admin that its pages lead to."""
    with window(chromium, Look(), cookies) as (_, page, _seen):
        page.goto(f"{hub.url}/admin")
        links = page.eval_on_selector_all("a[href^='/admin']", "all => all.map(each => each.getAttribute('href'))")
    return sorted(
        {"/admin", *links, "/admin/users/alice", "/admin/organisations/equipe-backend", "/admin/plans/free", "/admin/jobs/1"}
    )


def test_every_link_leads_somewhere(hub: Instance, chromium: Browser, signed_in: dict[str, list[Any]]) -> None:
    left, seen = ["/"], set[str]()
    broken: list[str] = []
    with window(chromium, Look(), signed_in["admin"]) as (context, _, _seen):
        while left and len(seen) < 400:
            path = left.pop()
            if path in seen:
                continue
            seen.add(path)
            answer = context.request.get(hub.url + path, headers={"accept": "text/html"})
            if answer.status != 200:
                broken.append(f"{path}: {answer.status}")
            for part in answer.text().split(' href="')[1:] if "html" in answer.headers["content-type"] else ():
                link = part.partition('"')[0].partition("#")[0].replace("&amp;", "&")
                link = path.partition("?")[0] + link if link.startswith("?") else link
                if link.startswith("/") and "lang=" not in link and "theme=" not in link:
                    left.append(link)
    assert broken == []
    assert len(seen) > 60


def test_search_is_used_with_the_keyboard_alone(hub: Instance, chromium: Browser) -> None:
    with window(chromium, Look()) as (_, page, seen):
        page.goto(hub.url)
        page.keyboard.press("/")
        page.keyboard.type("postg")
        page.wait_for_selector("#suggest a")
        assert violations(page) == []
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{hub.url}/r/postgres")
        page.keyboard.press("/")
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.id") != "q"
        assert seen.complaints == []


def test_a_filter_is_applied_when_it_is_chosen_and_back_takes_it_away(hub: Instance, chromium: Browser) -> None:
    with window(chromium, Look()) as (_, page, _seen):
        page.goto(f"{hub.url}/search?q=postgres")
        before = page.locator(".results li").count()
        page.check("input[name=kind][value=official]")
        page.wait_for_url("**kind=official**")
        assert 0 < page.locator(".results li").count() < before
        page.go_back()
        assert page.locator(".results li").count() == before


def test_what_is_copied_is_what_is_shown(hub: Instance, chromium: Browser) -> None:
    with window(chromium, Look()) as (context, page, seen):
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{hub.url}/r/postgres")
        page.click("label:has-text('podman')")
        page.click(".cmd:visible .copy >> nth=0")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == f"podman pull {hub.url.partition('://')[2]}/postgres:18.3"
        assert page.locator("#live").inner_text() in ("", "Copied")
        assert seen.complaints == []


def test_an_overview_is_small(hub: Instance, chromium: Browser) -> None:
    with window(chromium, Look()) as (context, page, seen):
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        received: list[float] = []
        session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
        page.goto(f"{hub.url}/r/postgres", wait_until="networkidle")
        assert len(seen.asked) <= 6, seen.asked
        assert sum(received) < 60_000
