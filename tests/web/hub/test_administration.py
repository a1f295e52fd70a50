"""Administrators' pages: nobody else has them, and what is done by them is done as by commands, and recorded with its author."""

import re
from collections.abc import Iterator

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.domain.accounts.model import Place
from support.accounts import PASSWORD, with_accounts
from support.browsing import Browser
from support.http import Answer
from support.inside import Inside, inside
from support.parts import prepared
from support.reading import Read

ALL = ("", "/users", "/users/ann", "/organisations", "/organisations/acme", "/plans", "/plans/free", "/categories", "/jobs")
PAGES = tuple(f"/admin{rest}" for rest in (*ALL, "/settings", "/audit", "/mode"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A hub with an administrator, users and an organisation."""
    settings = prepared(tmp_path_factory.mktemp("administration") / "data", "")

    async def people(who: Accounts) -> None:
        await who.users.add("root", PASSWORD, is_admin=True)
        for name in ("ann", "bob", "carl", "dora"):
            await who.users.add(name, PASSWORD)
        await who.organisations.add("acme", "ann")
        await who.organisations.set_member("acme", "bob", Place.MEMBER)

    with_accounts(settings, people)
    return settings


@pytest.fixture(scope="module")
def hub(place: Settings) -> Iterator[Inside]:
    with inside(place, smtp="smtp://127.0.0.1:9", mail_from="hub@example.com") as served:
        yield served


@pytest.fixture(scope="module")
def root(hub: Inside) -> Browser:
    return Browser(hub, "root")


def told(answer: Answer) -> tuple[int, str]:
    return answer.status, Read(answer).text


def last_acts(root: Browser, count: int) -> list[str]:
    """Return the acts of the newest rows, and who did them, as the page of the log shows them."""
    content = root.get("/admin/audit").content.decode()
    rows = re.findall(r'<th scope="row"><strong>([^<]+)</strong>.*?<span class="mono">([^<]+)</span>', content)
    return [f"{actor} {act}" for actor, act in rows[:count]]


def test_for_everybody_else_there_is_nothing_at_these_addresses(hub: Inside) -> None:
    for browser in (Browser(hub), Browser(hub, "ann")):
        for path in (*PAGES, "/admin/users/nobody"):
            hidden, absent = browser.get(path), browser.get(re.sub("[a-z]", "x", path))
            marks = rb'value="[0-9a-f]{96}"|/[a-z/]+'
            assert (hidden.status, re.sub(marks, b"", hidden.content)) == (404, re.sub(marks, b"", absent.content)), path
        assert "/admin" not in browser.see("/").links
        for path in ("/admin/users", "/admin/users/bob", "/admin/mode", "/admin/plans", "/admin/jobs/1"):
            assert browser.send(path, do="lock", name="mallory").status == 404, path
    assert "ann" in Browser(hub, "root").see("/admin/users").text


def test_every_page_is_there_in_both_languages(root: Browser) -> None:
    assert "/admin" in root.see("/").links
    for path in PAGES:
        english, french = root.see(path), root.see(f"{path}?lang=fr")
        assert (english.status, french.status, english.language, french.language) == (200, 200, "en", "fr")
        assert "Offres" in french.text, path
        assert english.text != french.text, path
    for path in ("/admin/", "/admin/nothing", "/admin/jobs/x", "/admin/jobs/1", "/admin/users/", "/admin/plans/none"):
        assert root.get(path).status == 404, path
    assert root.see("/admin/jobs?state=burning").status == 404
    assert root.get("/admin/users").headers["cache-control"] == "private, no-cache"


def test_the_overview_tells_what_was_done_last(root: Browser) -> None:
    assert root.send("/admin/users", name="zora", password=PASSWORD).status == 303
    done = root.see("/admin").text.partition("What was done last")[2]
    assert ("user.add zora" in done, "administrator: false" in done) == (True, True)


def test_users_are_found_by_the_beginning_of_their_name_and_made(root: Browser) -> None:
    found = root.see("/admin/users?begins=CA")
    assert ("carl" in found.text, "dora" in found.text) == (True, False)
    assert "dora" not in root.see("/admin/users?after=dora").text.partition("Make a user")[0]
    assert (
        root.send("/admin/users", name="eve", password=PASSWORD, email="eve@example.com").headers["location"]
        == "/admin/users/eve"
    )
    assert "eve@example.com" in root.see("/admin/users/eve").text
    assert last_acts(root, 1) == ["root user.add"]
    for fields, said in (
        ({"name": "eve"}, "This name is taken"),
        ({"name": "Eve"}, "small letters"),
        ({"name": "frank", "password": "short"}, "too short"),
        ({"name": "frank", "email": "eve@example.com"}, "Somebody else has this address."),
    ):
        status, text = told(root.send("/admin/users", **fields))
        assert (status, said in text) == (422, True), fields


def test_users_are_locked_promoted_and_deleted_by_their_page(hub: Inside, root: Browser) -> None:
    page = "/admin/users/carl"
    theirs = Browser(hub, "carl")
    assert root.send(page, do="lock").status == 303
    assert theirs.get("/me").status == 303
    assert "locked" in root.see(page).text
    assert root.send(page, do="link").status == 404
    assert root.send(page, do="unlock").status == 303
    for fields in ({}, {"current": "not this one"}):
        status, text = told(root.send(page, do="promote", **fields))
        assert (status, "This is not your password of now." in text) == (422, True)
    assert root.send(page, do="promote", current=PASSWORD).status == 303
    carl = Browser(hub, "carl")
    assert carl.get("/admin").status == 200
    assert root.send(page, do="demote").status == 303
    assert carl.get("/admin").status == 404
    deeds = {f"root user.{deed}" for deed in ("lock", "unlock", "promote", "demote")}
    assert deeds <= set(last_acts(root, 9))
    assert told(root.send(page, do="delete", name="Carl"))[0] == 422
    assert root.send(page, do="delete", name="carl").headers["location"] == "/admin/users"
    assert root.get(page).status == 404
    assert "Nobody would own acme any more." in told(root.send("/admin/users/ann", do="delete", name="ann"))[1]


def test_nobody_does_it_to_themselves_and_a_link_goes_to_who_has_an_address(root: Browser) -> None:
    for deed in ("lock", "demote", "delete", "link", "burn"):
        assert root.send("/admin/users/root", do=deed, name="root").status == 404
    assert root.send("/admin/users/dora", do="link").status == 404
    assert root.send("/admin/users", name="gil", email="gil@example.com").status == 303
    sent = root.send("/admin/users/gil", do="link")
    assert "A link is on its way" in root.see(sent.headers["location"]).text
    assert last_acts(root, 1) == ["root user.link"]
    assert root.send("/admin/users/dora", do="lock", form="0" * 96).status == 403


def test_badges_are_granted_with_what_was_checked_and_taken_away(root: Browser) -> None:
    page = "/admin/organisations/acme"
    assert "Write down what you checked" in told(root.send(page, do="grant", badge="verified", checked=" "))[1]
    assert root.send(page, do="grant", badge="verified", checked="acme.example points here").status == 303
    found = root.see(page)
    assert "acme.example points here" in found.text
    assert "by root" in found.text
    assert "Verified publisher" in root.see("/admin/organisations").text
    assert root.send(page, do="revoke", badge="verified").status == 303
    assert "It is not there any more." in told(root.send(page, do="revoke", badge="verified"))[1]
    assert root.send(page, do="grant", badge="royal", checked="x").status == 404
    assert last_acts(root, 2) == ["root badge.revoke", "root badge.grant"]
    made = root.send("/admin/organisations", name="umbrella", owner="bob")
    assert (made.status, "bob" in root.see(made.headers["location"]).text) == (303, True)
    assert "There is no user called “nobody”." in told(root.send("/admin/organisations", name="x", owner="nobody"))[1]
    assert root.send("/admin/organisations/umbrella", do="delete", name="umbrella").headers["location"] == "/admin/organisations"


def test_plans_are_made_given_changed_and_deleted(root: Browser) -> None:
    assert root.send("/admin/plans", do="make", name="small", pulls="10", rank="5").status == 303
    assert root.send("/admin/plans", do="give", namespace="dora", plan="small").status == 303
    assert "small" in root.see("/admin/users/dora").text
    assert "Somebody has this plan" in told(root.send("/admin/plans/small", do="delete"))[1]
    assert root.send("/admin/plans/small", do="change", pulls="1234", rank="5", private_repositories="").status == 303
    assert "1,234" in root.see("/admin/plans").text
    refused = root.send("/admin/plans/small", do="change", pulls="many", rank="5")
    assert (refused.status, b'value="many"' in refused.content) == (422, True)
    assert told(root.send("/admin/plans", do="give", namespace="nobody", plan="small"))[0] == 422
    assert told(root.send("/admin/plans", do="make", name="small"))[0] == 422
    assert root.send("/admin/plans", do="give", namespace="dora", plan="free").status == 303
    assert root.send("/admin/plans/small", do="delete").headers["location"] == "/admin/plans"
    assert last_acts(root, 2) == ["root plan.delete", "root plan.give"]


def test_categories_are_made_put_in_order_and_deleted(root: Browser) -> None:
    made = {"name": "ovens", "english": "Ovens", "french": "Fours", "rank": "0"}
    assert root.send("/admin/categories", do="make", **made).status == 303
    names = re.findall(rb'id="change-([a-z-]+)"', root.get("/admin/categories").content)
    assert b"ovens" in names[:2]
    assert root.send("/admin/categories", do="change", **{**made, "rank": "900000"}).status == 303
    assert re.findall(rb'id="change-([a-z-]+)"', root.get("/admin/categories").content)[-1] == b"ovens"
    for fields in (
        {"do": "make"},
        {"do": "change", "name": "none"},
        {"do": "change", "french": ""},
        {"do": "change", "rank": "x"},
    ):
        assert root.send("/admin/categories", **{**made, **fields}).status == 422, fields
    assert root.send("/admin/categories", do="delete", name="ovens").status == 303
    assert last_acts(root, 2) == ["root category.delete", "root category.set"]


def test_jobs_are_cancelled_and_forgotten_and_that_is_recorded(root: Browser) -> None:
    assert root.send("/admin/users", name="hal", email="hal@example.com").status == 303
    assert root.send("/admin/users/hal", do="link").status == 303
    listed = root.get("/admin/jobs?state=ready").content.decode()
    (number, *_) = re.findall(r'href="(/admin/jobs/[0-9]+)">', listed)
    assert told(root.send(number, do="retry"))[0] == 422
    assert root.send(number, do="cancel").status == 303
    assert "cancelled" in root.see(number).text
    assert root.send(number, do="drop").headers["location"] == "/admin/jobs"
    assert root.get(number).status == 404
    assert last_acts(root, 2) == ["root job.drop", "root job.cancel"]


def test_settings_show_no_secret_and_the_log_can_be_searched(root: Browser) -> None:
    settings = root.see("/admin/settings").text
    assert ("127.0.0.1:9" in settings, "***" in settings, "hub@example.com" in settings) == (False, True, True)
    assert root.send("/admin/settings", do="x").status == 404
    assert "No row fits." in root.see("/admin/audit?actor=nobody").text
    found = root.see("/admin/audit?act=user.add&actor=root&since=2020-01-01&until=2999-12-31")
    assert found.text.partition("When")[2].count("user.add") >= 2
    for day in ("yesterday", "2026-02-31", "9999-12-31&since=x"):
        assert "A day is written like" in root.see(f"/admin/audit?until={day}").text


def test_a_hub_that_is_closed_by_the_page_refuses_changes_until_it_is_opened(root: Browser) -> None:
    assert "one line of at most 200" in told(root.send("/admin/mode", do="close", reason="x" * 201))[1]
    assert root.send("/admin/mode", do="close", reason="a backup").status == 303
    assert "a backup" in root.see("/admin/mode").text
    assert "The hub is read-only." in root.see("/admin").text
    assert root.send("/admin/users", name="late", password=PASSWORD).status == 503
    assert root.send("/admin/mode", do="open").status == 303
    assert root.send("/admin/users", name="late", password=PASSWORD).status == 303
    assert "root mode.change" in last_acts(root, 3)
