"""The audit log and the pulls of a namespace by pages: filtered, in parts, against the plan, for those who manage it."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from entrepot.app.parts import Accounts
from entrepot.base.clock import now_us
from entrepot.base.settings import Settings
from entrepot.domain.audit.model import Act, Author, done
from entrepot.domain.audit.service.recording import record
from entrepot.domain.plans.model import Plan
from entrepot.domain.registry.model import Pulling
from entrepot.domain.registry.queries import pulls
from entrepot.platform.db.database import Transaction
from support.accounts import PASSWORD, with_accounts
from support.browsers import Browsers
from support.browsing import Browser
from support.inside import inside
from support.parts import opened, prepared

pytestmark = pytest.mark.single
AUDIT: Final = "/orgs/team/audit"
_MANY: Final = 120
_SPAN_US: Final = 300_000_000


def written(people: Browsers, *bodies: object) -> None:
    async def write() -> None:
        async with opened(people.place) as db:
            for body in bodies:
                await db.write(body)  # type: ignore[arg-type]  # each is a transaction's

    people.at.loop.run_until_complete(write())


def test_what_is_done_by_pages_is_in_the_log_under_the_name_of_who_did_it(people: Browsers) -> None:
    owner = people.of("owner")
    owner.send("/orgs/team/members", do="set", who="stranger", role="member")
    owner.send("/orgs/team/teams/writers", do="grant", pattern="new", role="read")
    people.of("editor").send("/r/team/app-public/-/access", do="grant", who="stranger", role="write")
    owner.send("/orgs/team/settings", do="private")
    text = owner.see(AUDIT).text
    for said in (
        *("owner member.set team role: member user: stranger 192.0.2.9", "owner grant.set team/new role: read team: writers"),
        *("editor grant.set team/app-public role: write user: stranger", "owner namespace.visibility team public: false"),
    ):
        assert said in text, said
    own = people.of("stranger").see("/me/audit").text
    assert "sign-in" in own
    assert "team/" not in own


def test_the_log_is_filtered_by_act_actor_and_day(people: Browsers) -> None:
    owner = people.of("owner")
    owner.send("/orgs/team/teams", name="filtered")
    assert "team/filtered" in owner.see(f"{AUDIT}?act=team.add&actor=owner").text
    for query in ("act=team.delete", "actor=editor&act=team.add", "since=2999-01-01", "until=2001-01-01"):
        assert "team/filtered" not in owner.see(f"{AUDIT}?{query}").text, query
    assert "Nothing of that was done." in owner.see(f"{AUDIT}?actor=nemo").text
    assert "team/filtered" in owner.see(f"{AUDIT}?since=2026-01-01&until=2999-01-01").text
    kept = owner.get(f"{AUDIT}?act=team.add&actor=owner&since=2026-01-01").content.decode()
    for each in ('value="team.add" selected', 'name="actor" value="owner"', 'type="date" value="2026-01-01"'):
        assert each in kept, each


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("act=nothing<b>", "There is no act “nothing<b>”."),
        ("since=yesterday", "A day is written as 2026-11-30."),
        ("until=9999-12-31", "A day is written as"),
        ("since=0000-01-01", "A day is written as"),
    ],
)
def test_a_filter_that_cannot_be_read_shows_nothing(people: Browsers, query: str, said: str) -> None:
    found = people.of("owner").see(f"{AUDIT}?{query}")
    assert (found.status, said in found.text, "organisation.add" in found.text.partition("From where")[2]) == (422, True, False)


def test_the_log_is_read_in_parts_each_row_once(people: Browsers) -> None:
    async def many(tx: Transaction) -> None:
        for number in range(_MANY):
            await record(tx, Author("writer"), done(Act.TAG_DELETE, f"team/app-{number}"))

    written(people, many)
    path, found = f"{AUDIT}?actor=writer&act=tag.delete", []
    for _ in range(10):
        page = people.of("owner").get(path)
        found += re.findall(r"team/app-([0-9]+)<", page.content.decode())
        following = re.search(r'rel="next" href="([^"]+)"', page.content.decode())
        if following is None:
            break
        path = following[1].replace("&amp;", "&")
    assert found == [str(number) for number in reversed(range(_MANY))]
    assert "There is nothing older." in people.of("owner").see(f"{AUDIT}?after=1.1").text
    assert people.of("owner").see(f"{AUDIT}?after=nonsense").status == 200


def test_pulls_stand_against_the_plan_with_where_they_came_from(people: Browsers) -> None:
    at_us = now_us() // _SPAN_US * _SPAN_US

    async def pulled(tx: Transaction) -> None:
        for owner, repository, count in (("stranger", "team/app-public", 3), ("team", "library/base", 40), ("team", "team/x", 2)):
            await pulls.add_recent(tx, Pulling(owner, at_us, "198.51.100.7", "", repository), count)
            await pulls.add_recent(tx, Pulling(owner, at_us - _SPAN_US, "198.51.100.7", "", repository), 1)

    written(people, pulled)
    own = people.of("stranger").see("/me/pulls")
    assert "team/app-public 4 198.51.100.7 the password" in own.text
    assert "library" not in own.text
    theirs = people.of("owner").see("/orgs/team/pulls")
    assert "base 41 198.51.100.7" in theirs.text
    assert "Used 44" in theirs.text
    assert {"/r/base", "/r/team/x"} <= set(theirs.links)
    assert "this hub does not limit pulls" in theirs.text


def test_where_pulls_are_limited_the_best_plan_counts(tmp_path: Path) -> None:
    place = prepared(tmp_path / "data", "")

    async def people(who: Accounts) -> None:
        await who.users.add("admin", PASSWORD, is_admin=True)
        await who.organisations.add("rich", "admin")
        await who.organisations.add("poor", "admin")

    async def give(who: Accounts) -> None:
        await who.plans.put(Plan("large", 2000, None, None, 5000, None, 0, ()))
        await who.plans.give("rich", "large")

    with_accounts(place, people)
    with inside(place, limits="hub-2020", default_plan="free") as at:
        admin = Browser(at, "admin")
        assert "Used 0 of 200 Left 200" in admin.see("/me/pulls").text
        at.loop.run_until_complete(given(place, give))
        for path, limit in (("/me/pulls", "5,000"), ("/orgs/rich/pulls", "5,000"), ("/orgs/poor/pulls", "200")):
            assert f"Used 0 of {limit} Left {limit}" in admin.see(path).text, path


async def given(place: Settings, scenario: Callable[[Accounts], Awaitable[None]]) -> None:
    async with opened(place) as db:
        who = Accounts(db, place)
        await scenario(who)
        who.close()
