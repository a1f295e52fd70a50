"""Invitations, signing up, getting back in and leaving, by the JSON interface; with mail, and without."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.accounts import PASSWORD, basic
from support.http import Answer
from support.inside import Inside, inside
from support.parts import prepared, sql
from support.people import SENDER, URL, Scene, play, secret_of

ANOTHER = "another fine password"


class Asking:
    """Asks a hub that plays in the same database; its loop runs in a thread."""

    def __init__(self, served: Inside, scene: Scene) -> None:
        self._served = served
        self.scene = scene

    async def __call__(self, who: str | None, method: str, path: str, body: object = None) -> Answer:
        """Send a request as a user, as `name:password`, or as nobody."""
        auth = None if who is None else basic(*who.split(":")) if ":" in who else basic(who, PASSWORD)
        return await asyncio.to_thread(self._served.request, method, f"/api/v1{path}", body, auth=auth)


@contextmanager
def served_beside(scene: Scene, signup: str, *, mails: bool) -> Iterator[Inside]:
    about: dict[str, Any] = {"smtp": scene.box.url, "mail_from": SENDER} if mails else {}
    with inside(scene.place, signup=signup, public_url=URL, **about) as served:
        yield served


def asked(folder: Path, scenario: Callable[[Asking], Awaitable[None]], *, signup: str = "closed", mails: bool = False) -> None:
    """Run a scenario against a hub with an administrator, ann, bob and an organisation of ann's."""

    async def run(scene: Scene) -> None:
        await scene.who.users.add("admin", PASSWORD, is_admin=True)
        for name in ("ann", "bob"):
            await scene.who.users.add(name, PASSWORD, email=f"{name}@example.com")
        await scene.who.organisations.add("acme", "ann")
        beside = served_beside(scene, signup, mails=mails)
        served = await asyncio.to_thread(beside.__enter__)
        try:
            await scenario(Asking(served, scene))
        finally:
            await asyncio.to_thread(beside.__exit__, None, None, None)

    play(prepared(folder / "data", ""), run, signup=signup, mails=mails)


def test_an_invitation_makes_an_account_and_a_member_once(tmp_path: Path) -> None:
    async def scenario(ask: Asking) -> None:
        assert (await ask("bob", "POST", "/invitations", {"email": ""})).json["code"] == "DENIED"
        assert (await ask("bob", "POST", "/organisations/acme/invitations", {"invited": "bob"})).status == 404
        made = await ask("ann", "POST", "/organisations/acme/invitations", {"invited": "cleo@example.com", "role": "editor"})
        assert (made.status, made.json["is_mailed"], made.json["makes_account"]) == (201, False, False)
        made = await ask("admin", "POST", "/organisations/acme/invitations", {"invited": "cleo@example.com", "role": "editor"})
        link = made.json["link"]
        assert link.startswith(f"{URL}/accounts/links/")
        looked = await ask(None, "POST", "/links/look", {"link": link})
        assert (looked.json["organisation"], looked.json["role"], looked.json["link"]) == ("acme", "editor", None)
        body = {"name": "cleo", "password": PASSWORD, "link": link}
        assert (await ask(None, "POST", "/sign-up", {**body, "password": "short"})).json["detail"]["field"] == "password"
        assert (await ask(None, "POST", "/sign-up", {**body, "name": "ann"})).status == 409
        assert (await ask(None, "POST", "/sign-up", body)).status == 201
        for again in (
            await ask(None, "POST", "/sign-up", {**body, "name": "dora"}),
            await ask("bob", "POST", "/join", body_of(link)),
        ):
            assert (again.status, again.json["detail"]) == (422, {"field": "link"})
        assert {"name": "acme", "role": "editor"}.items() <= (await ask("cleo", "GET", "/organisations")).json["items"][0].items()
        for whom in ("bob", "bob"):
            invited = (await ask("ann", "POST", "/organisations/acme/invitations", {"invited": whom})).json
            assert (await ask("cleo", "POST", "/join", body_of(invited["link"]))).status == 422
            assert (await ask("bob", "POST", "/join", body_of(invited["link"]))).json["role"] == "member"
        left = (await ask("ann", "POST", "/organisations/acme/invitations", {"invited": "x@example.com"})).json["id"]
        ends = [(await ask("ann", "DELETE", f"/organisations/acme/invitations/{left}")).status for _ in range(2)]
        assert ends == [204, 404]
        acts = [each["act"] for each in (await ask("ann", "GET", "/namespaces/acme/audit")).json["items"]]
        assert {"invitation.add", "invitation.revoke", "member.set", "organisation.add"} <= set(acts)

    asked(tmp_path, scenario)


def test_an_invitation_ends_with_the_right_to_invite(tmp_path: Path) -> None:
    there = "/organisations/acme"

    async def scenario(ask: Asking) -> None:
        async def open_ones() -> list[str]:
            return [each["invited_by"] for each in (await ask("ann", "GET", f"{there}/invitations")).json["items"]]

        body = {"invited": "x@example.com", "role": "owner"}
        assert (await ask("ann", "PUT", f"{there}/members/bob", {"role": "owner"})).status == 204
        for who in ("ann", "bob"):
            assert (await ask(who, "POST", f"{there}/invitations", body)).status == 201
        assert await open_ones() == ["bob", "ann"]
        assert (await ask("ann", "PUT", f"{there}/members/bob", {"role": "member"})).status == 204
        assert await open_ones() == ["ann"]
        assert (await ask("ann", "PUT", f"{there}/members/bob", {"role": "owner"})).status == 204
        late = (await ask("bob", "POST", f"{there}/invitations", body)).json["link"]
        assert (await ask("bob", "PUT", "/users/bob/name", {"name": "rob", "current_password": PASSWORD})).status == 204
        assert (await ask(None, "POST", "/links/look", body_of(late))).status == 200
        # As if they had lost it in the very moment in which the link is used.
        bob = "SELECT account.id FROM account JOIN namespace ON namespace.id = account.namespace WHERE namespace.name = 'rob'"
        await sql(ask.scene.place, f"UPDATE member SET role = 'editor' WHERE account = ({bob})")  # noqa: S608 - our own words
        assert (await ask("rob", "POST", "/join", body_of(late))).status == 422
        assert (await ask("ann", "PUT", f"{there}/members/rob", {"role": "member"})).status == 204
        assert await open_ones() == ["ann"]

    asked(tmp_path, scenario)


def body_of(link: str) -> dict[str, str]:
    return {"link": link}


def test_everyone_signs_up_by_mail_and_gets_back_in(tmp_path: Path) -> None:
    async def scenario(ask: Asking) -> None:
        scene = ask.scene
        assert (await ask(None, "POST", "/sign-up", {"name": "cleo", "password": PASSWORD})).json["detail"] == {"field": "email"}
        assert (await ask(None, "POST", "/links/sign-up", {"email": "nobody"})).status == 422
        for email in ("cleo@example.com", "ann@example.com"):
            assert (await ask(None, "POST", "/links/sign-up", {"email": email})).status == 204
            assert await scene.deliver() == 2
        assert "You have one with it already: ann" in scene.box.text()
        scene.box.mails.pop()
        body = {"name": "cleo", "password": PASSWORD, "link": scene.box.link()}
        assert (await ask(None, "POST", "/sign-up", body)).json["email"] == "cleo@example.com"
        for user, mails in (("cleo@example.com", 2), ("zoe", 1)):
            assert (await ask(None, "POST", "/links/password", {"user": user})).status == 204
            assert await scene.deliver() == mails
        assert (await ask(None, "PUT", "/password", {"link": scene.box.link(), "password": ANOTHER})).status == 204
        assert (await ask("cleo", "GET", "/user")).status == 401
        own = f"cleo:{ANOTHER}"
        body = {"email": "cleo@example.net", "current_password": PASSWORD}
        assert (await ask(own, "POST", "/links/email", body)).json["code"] == "DENIED"
        assert (await ask(own, "POST", "/links/email", {**body, "current_password": ANOTHER})).status == 204
        await scene.deliver()
        assert (await ask(None, "PUT", "/email", {"link": scene.box.link()})).status == 204
        assert (await ask(own, "GET", "/users/cleo")).json["email"] == "cleo@example.net"
        assert (await ask(own, "POST", "/invitations", {"email": "eve@example.com"})).json["is_mailed"] is True
        told = (await ask(own, "GET", "/users/cleo/export")).json
        assert (told["user"]["name"], [each["purpose"] for each in told["links"]]) == ("cleo", ["address", "password reset"])

    asked(tmp_path, scenario, signup="open", mails=True)


def test_two_factor_sign_in_is_turned_on_and_off_by_its_owner(tmp_path: Path) -> None:
    async def scenario(ask: Asking) -> None:
        scene, path = ask.scene, "/users/ann/second-factor"
        assert (await ask("ann", "GET", path)).json == {"since": None, "recovery_codes": 0}
        assert (await ask("ann", "POST", path, {"current_password": "wrong"})).status == 403
        assert (await ask("admin", "POST", path, {"current_password": PASSWORD})).status == 403
        begun = (await ask("ann", "POST", path, {"current_password": PASSWORD})).json
        assert begun["address"].startswith("otpauth://totp/Entrepot")
        assert (await ask("ann", "POST", f"{path}/confirmation", {"code": "000000"})).json["detail"]["field"] == "code"
        code = await scene.code(secret_of(begun["secret"]))
        codes = (await ask("ann", "POST", f"{path}/confirmation", {"code": code})).json["recovery_codes"]
        assert (len(codes), (await ask("ann", "GET", "/user")).status) == (10, 401)
        given = await ask(None, "POST", "/token", {"name": "ann", "password": PASSWORD, "code": codes[0]})
        by_token = given.json["token"]

        async def own(method: str, rest: str, body: object = None, at: str = path) -> Answer:
            return await asyncio.to_thread(ask._served.request, method, f"/api/v1{at}{rest}", body, auth=f"Bearer {by_token}")

        assert (await own("GET", "")).json["recovery_codes"] == 9
        assert (await own("DELETE", "")).status == 403
        assert (await own("POST", "/recovery-codes", {"current_password": PASSWORD})).json["code"] == "CODE_NEEDED"
        renewed = await own("POST", "/recovery-codes", {"current_password": PASSWORD, "code": codes[1]})
        assert len(set(renewed.json["recovery_codes"]) - set(codes)) == 10
        assert (await own("POST", "/removal", {"current_password": PASSWORD, "code": codes[2]})).status == 401
        new = renewed.json["recovery_codes"]
        assert (await own("POST", "/removal", {"current_password": PASSWORD, "code": new[0]})).status == 204
        assert (await ask("ann", "GET", path)).json["since"] is None
        assert (await ask("admin", "DELETE", path)).status == 409
        acts = await sql(
            scene.place, "SELECT act FROM audit_event WHERE target = 'ann' AND act LIKE 'second-factor%' ORDER BY id"
        )
        assert [act for (act,) in acts] == ["second-factor.add", "second-factor.codes", "second-factor.remove"]

    asked(tmp_path, scenario)


def test_an_account_ends_by_its_owner(tmp_path: Path) -> None:
    async def scenario(ask: Asking) -> None:
        assert (await ask("bob", "POST", "/users/bob/deletion", {"current_password": "wrong password"})).status == 401
        assert (await ask("admin", "POST", "/users/bob/deletion", {"current_password": PASSWORD})).status == 403
        assert (await ask("ann", "POST", "/users/ann/deletion", {"current_password": PASSWORD})).json["code"] == "CONFLICT"
        assert (await ask("bob", "POST", "/users/bob/deletion", {"current_password": PASSWORD})).status == 204
        assert (await ask("admin", "GET", "/users/bob")).status == 404

    asked(tmp_path, scenario)


def test_names_plans_and_settings_of_an_organisation_are_changed(tmp_path: Path) -> None:
    async def scenario(ask: Asking) -> None:
        assert (await ask("ann", "PATCH", "/organisations/acme", {"makes_private": True})).json["makes_private"] is True
        assert (await ask("ann", "PATCH", "/organisations/acme", {})).status == 422
        assert (await ask("ann", "PUT", "/organisations/acme/name", {"name": "bob"})).status == 409
        assert (await ask("ann", "PUT", "/organisations/acme/name", {"name": "zenith"})).status == 204
        assert (await ask("ann", "GET", "/organisations/zenith")).json["makes_private"] is True
        listed = (await ask("admin", "GET", "/names")).json["items"]
        assert [(each["name"], each["leads_to"]) for each in listed] == [("acme", "zenith")]
        for who in (None, "bob"):
            held, absent = [await ask(who, "DELETE", f"/names?name={name}") for name in ("acme", "zzzz")]
            assert held.status == absent.status == (401 if who is None else 404)
            assert held.content == absent.content.replace(b"zzzz", b"acme"), "what it leads to is told to nobody else"
        acts = (await ask("ann", "GET", "/namespaces/zenith/audit")).json["items"]
        assert {"namespace.rename", "organisation.add"} <= {each["act"] for each in acts}, "under the former name too"
        assert [(await ask("ann", "DELETE", "/names?name=acme")).status for _ in range(2)] == [204, 404]
        await ask.scene.who.organisations.add("acme", "bob")
        acts = (await ask("bob", "GET", "/namespaces/acme/audit")).json["items"]
        assert [each["act"] for each in acts] == ["organisation.add", "name.release"], "what was done before is another one's"
        assert (await ask("bob", "PUT", "/users/bob/name", {"name": "rob"})).status == 403
        assert (await ask("bob", "PUT", "/users/bob/name", {"name": "rob", "current_password": PASSWORD})).status == 204
        assert (await ask("rob", "GET", "/user")).json["name"] == "rob"
        assert (await ask("admin", "PUT", "/plans/tiny", {"seats": 1, "private_repositories": 0})).status == 204
        assert (await ask("admin", "PUT", "/plans/tiny", {"seats": -1})).json["detail"]["field"] == "seats"
        assert (await ask("admin", "PUT", "/namespaces/zenith/plan", {"plan": "none"})).status == 404
        assert (await ask("admin", "PUT", "/namespaces/zenith/plan", {"plan": "tiny"})).status == 204
        assert (await ask("admin", "DELETE", "/plans/tiny")).status == 422
        shown = (await ask("ann", "GET", "/namespaces/zenith/usage")).json
        assert (shown["plan"]["name"], shown["seats"], shown["plan"]["storage_bytes"]) == ("tiny", 1, None)
        refused = await ask("ann", "PUT", "/organisations/zenith/members/rob", {"role": "member"})
        assert (refused.status, refused.json["code"]) == (403, "DENIED")
        assert "tiny" in {each["name"] for each in (await ask(None, "GET", "/plans")).json["items"]}
        assert (await ask("ann", "DELETE", "/organisations/zenith")).status == 204
        assert (await ask("ann", "GET", "/organisations/zenith")).status == 404

    asked(tmp_path, scenario)


def test_the_audit_log_comes_in_pages_and_by_filter(tmp_path: Path) -> None:
    async def scenario(ask: Asking) -> None:
        for number in range(5):
            await ask("admin", "POST", "/users", {"name": f"user{number}"})
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            page = (await ask("admin", "GET", f"/audit?act=user.add&actor=admin&limit=2&after={after}")).json
            seen, after = [*seen, *(each["target"] for each in page["items"])], page["next"]
        assert seen == [f"user{number}" for number in reversed(range(5))]
        everything = (await ask("admin", "GET", "/audit")).json["items"]
        since = everything[2]["happened_at"].replace("+", "%2B")
        assert len((await ask("admin", "GET", f"/audit?since={since}")).json["items"]) == 3
        for query, field in (("act=none", "act"), ("after=x", "after"), ("limit=0", "limit"), ("surprise=1", "surprise")):
            assert (await ask("admin", "GET", f"/audit?{query}")).json["detail"]["field"] == field
        await ask.scene.who.users.set_admin("bob", is_admin=True)
        assert (await ask("admin", "GET", "/audit/chain")).json["items"] == []

    asked(tmp_path, scenario)


@pytest.mark.parametrize("signup", ["closed", "invite"])
def test_nobody_signs_up_unasked(tmp_path: Path, signup: str) -> None:
    async def scenario(ask: Asking) -> None:
        assert (await ask(None, "POST", "/sign-up", {"name": "eve", "password": PASSWORD})).json["code"] == "DENIED"
        assert (await ask(None, "POST", "/links/sign-up", {"email": "eve@example.com"})).json["code"] == "DENIED"
        assert (await ask("bob", "POST", "/invitations", {})).status == (403 if signup == "closed" else 201)
        assert (await ask(None, "POST", "/invitations", {})).status == 401

    asked(tmp_path, scenario, signup=signup)
