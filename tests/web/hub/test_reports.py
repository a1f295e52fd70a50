"""Reports: who may make one and how many, and what is done with them by those who administer the hub."""

import asyncio
import re
from collections.abc import Iterator

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.accounts import PASSWORD, with_accounts
from support.browsing import Browser
from support.http import Answer
from support.inside import Inside, inside
from support.parts import parts, prepared, push_blob
from support.reading import Read

PAGE = "/r/team/shown/-/report"
ABOUT = {"reason": "malware", "said": "It mines <b>coins</b>."}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """A hub with a public and a private image."""
    place = prepared(tmp_path_factory.mktemp("reports") / "data", "")

    async def people(who: Accounts) -> None:
        await who.users.add("root", PASSWORD, email="root@example.com", is_admin=True)
        await who.users.add("ann", PASSWORD)
        await who.organisations.add("team", "root")

    with_accounts(place, people)
    asyncio.run(_images(place))
    with inside(place, smtp="smtp://127.0.0.1:9", mail_from="hub@example.com") as served:
        yield served


async def _images(place: Settings) -> None:
    async with parts(place) as whole:
        for name in ("team/shown", "team/secret"):
            image = manifests.image(await push_blob(whole, name, b"{}"), await push_blob(whole, name, b"layer"))
            repository = RepositoryName.parse(name)
            await whole.registry.manifests.push(ANYONE, repository, image, None, ["latest"])
            await whole.registry.repositories.set_visibility(ANYONE, repository, public=name == "team/shown")


@pytest.fixture(scope="module")
def root(hub: Inside) -> Browser:
    return Browser(hub, "root")


def queue(root: Browser, state: str = "open") -> list[str]:
    """Return the addresses of the reports in a state."""
    return re.findall(r'href="(/admin/reports/[0-9]+)"', root.get(f"/admin/reports?state={state}").content.decode())


def told(answer: Answer) -> tuple[int, str]:
    return answer.status, Read(answer).text


def test_whoever_sees_an_image_reports_it_and_an_administrator_decides(hub: Inside, root: Browser) -> None:
    visitor = Browser(hub)
    assert PAGE in visitor.see("/r/team/shown").links
    form = visitor.see(PAGE)
    assert (form.status, "without a name" in form.text) == (200, True)
    sent = visitor.send(PAGE, **ABOUT)
    assert (sent.status, sent.headers["location"]) == (303, f"{PAGE}?sent=1")
    assert "The report arrived" in visitor.see(sent.headers["location"]).text
    assert visitor.send(PAGE, **ABOUT).status == 303, "who says it twice hears the same"
    (mine,) = queue(root)
    found = root.see(mine)
    assert ("It mines <b>coins</b>." in found.text, "nobody signed in" in found.text) == (True, True)
    assert "1 report waits for a decision." in root.see("/admin").text
    assert told(root.send(mine, do="settled", note="x" * 2001))[0] == 422
    assert root.send(mine, do="settled", note="hidden").status == 303
    assert (queue(root), queue(root, "settled")) == ([], [mine])
    assert "hidden" in root.get(mine).content.decode()
    acts = root.see("/admin/audit?act=report.settle").text
    assert ("team/shown" in acts, "note: hidden" in acts) == (True, True)
    assert root.send(mine, do="open", note="again").status == 303
    assert root.send(mine, do="rejected", note="").status == 303
    assert queue(root, "rejected") == [mine]
    assert "Signalements" in root.see("/admin/reports?lang=fr").text


def test_administrators_are_written_to_when_no_other_report_waits(hub: Inside, root: Browser) -> None:
    ann, nobody = Browser(hub, "ann"), Browser(hub)
    for browser, more in ((ann, 1), (nobody, 0)):
        before = root.get("/admin/jobs?state=ready").content.count(b"accounts.send_notice")
        assert browser.send(PAGE, **ABOUT).status == 303
        listed = root.get("/admin/jobs?state=ready").content
        assert listed.count(b"accounts.send_notice") - before == more
    newest = re.findall(rb'href="(/admin/jobs/[0-9]+)">accounts.send_notice', listed)[0].decode()
    assert "root@example.com" in root.see(newest).text
    for each in queue(root):
        assert root.send(each, do="settled", note="").status == 303


def test_who_is_signed_in_is_named(hub: Inside, root: Browser) -> None:
    ann = Browser(hub, "ann")
    assert "It is sent with your name, ann." in ann.see(PAGE).text
    assert ann.send(PAGE, form="0" * 96, **ABOUT).status == 403
    assert ann.send(PAGE, **ABOUT).status == 303
    (hers,) = queue(root)
    assert "ann" in root.see(hers).text
    assert root.send(hers, do="rejected", note="").status == 303


def test_what_is_hidden_and_what_is_absent_cannot_be_reported(hub: Inside) -> None:
    for browser in (Browser(hub), Browser(hub, "ann")):
        for name in ("secret", "absent"):
            path = f"/r/team/{name}/-/report"
            assert (browser.get(path).status, browser.send(path, **ABOUT).status) == (404, 404)
        for path in ("/admin/reports", "/admin/reports/1"):
            assert (browser.get(path).status, browser.send(path, do="settled").status) == (404, 404)


def test_a_form_that_says_nothing_is_shown_again(hub: Inside, root: Browser) -> None:
    visitor = Browser(hub)
    for fields, said in (
        ({"said": "words"}, "Choose what it is about."),
        ({"reason": "malware", "said": " "}, "Say what is wrong"),
        ({"reason": "malware", "said": "x" * 2001}, "Say what is wrong"),
    ):
        status, text = told(visitor.send(PAGE, **fields))
        assert (status, said in text) == (422, True), fields
    assert b">\nwords</textarea>" in visitor.send(PAGE, said="words").content
    assert queue(root) == []
    for path in ("/admin/reports/x", "/admin/reports/999", "/admin/reports?state=burning"):
        assert root.get(path).status == 404


def test_a_network_reports_no_more_than_ten_in_a_quarter_of_an_hour(hub: Inside) -> None:
    visitor = Browser(hub)
    answers = [visitor.send(PAGE, **ABOUT) for _ in range(11)]
    assert answers[-1].status == 429
    assert "too many from your network" in Read(answers[-1]).text
