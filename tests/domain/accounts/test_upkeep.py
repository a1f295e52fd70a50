"""Old rows: addresses are cut, tokens that have long proved nothing go, and the key of the registry's tokens is made anew."""

from collections.abc import Iterator

import pytest

from entrepot.app.parts import Accounts, key_file
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import TokenRefused
from entrepot.domain.access.service.tokens import PURPOSE
from entrepot.domain.accounts.errors import CredentialUnknown, TooMany
from entrepot.domain.accounts.model import Grant, Held, Terms
from entrepot.domain.accounts.service.keys import Keys
from entrepot.domain.accounts.service.sessions import Browser
from entrepot.domain.accounts.service.upkeep import AccountUpkeep
from entrepot.platform.secrets.keys import ensure_key
from entrepot.platform.secrets.rotation import KeyFile
from support.accounts import PASSWORD, with_accounts
from support.parts import sql
from support.people import Scene, play

DAY_US = 86_400_000_000


@pytest.mark.parametrize(("address", "kept"), [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::9", "2001:db8:1::/48"), ("x", "")])
def test_of_old_addresses_a_network_is_left(place: Settings, number: Iterator[int], address: str, kept: str) -> None:
    name = f"ann{next(number)}"

    async def scenario(scene: Scene) -> None:
        who, upkeep = scene.who, AccountUpkeep(scene.db)
        account = await who.users.add(name, PASSWORD)
        _, secret = await who.credentials.add_personal(name, "laptop", Terms())
        await who.identity.basic(name, secret, address)
        await who.people.sessions.start(account, Browser(address))
        await upkeep.cut_addresses(90)

        async def seen() -> set[str | None]:
            (used,) = await who.credentials.of_account(account)
            (session,) = await who.people.sessions.of_account(account)
            return {used.used_from, session.address}

        assert await seen() == {address}
        await sql(place, f"UPDATE credential SET used_at = used_at - {2 * DAY_US} WHERE account = $1", account.id)  # noqa: S608
        await sql(place, f"UPDATE session SET seen_at = seen_at - {2 * DAY_US} WHERE account = $1", account.id)  # noqa: S608
        assert await upkeep.cut_addresses(0) == 0
        assert await upkeep.cut_addresses(1) >= 2
        assert await seen() == {kept}
        assert await upkeep.cut_addresses(1) == 0

    play(place, scenario)


def test_tokens_that_ended_long_ago_are_deleted(place: Settings, number: Iterator[int]) -> None:
    name = f"bob{next(number)}"

    async def scenario(scene: Scene) -> None:
        there, upkeep = scene.who.credentials, AccountUpkeep(scene.db)
        account = await scene.who.users.add(name, PASSWORD)
        made = [(await there.add_personal(name, each, Terms(), lifetime_s=3600))[0] for each in ("expired", "revoked", "new")]
        kept, _ = await there.add_personal(name, "kept", Terms())
        for each in made[1:]:
            await there.revoke(each.id)
        change = f"expires_at = expires_at - {91 * DAY_US}, revoked_at = revoked_at - {91 * DAY_US}"
        await sql(place, f"UPDATE credential SET {change} WHERE id IN ($1, $2)", made[0].id, made[1].id)  # noqa: S608
        assert await upkeep.prune_credentials() >= 2
        assert {each.id for each in await there.of_account(account)} == {made[2].id, kept.id}
        with pytest.raises(CredentialUnknown):
            await there.find(made[0].id)

    play(place, scenario)


def test_a_key_signs_for_three_months_and_proves_a_day_longer(place: Settings, number: Iterator[int]) -> None:
    name = f"cy{next(number)}"
    ensure_key(key_file(place))

    async def scenario(scene: Scene) -> None:
        who, keys = scene.who, Keys(scene.db, KeyFile(key_file(place)), PURPOSE)
        await who.users.add(name, PASSWORD)
        actor = await who.identity.basic(name, PASSWORD, "192.0.2.1")
        before = (await who.tokens.issue_for_api(actor)).token
        assert await keys.rotate() == 0
        await sql(place, f"UPDATE signing_key SET created_at = created_at - {91 * DAY_US} WHERE purpose = $1", PURPOSE)  # noqa: S608
        assert await keys.rotate() == 1
        assert await keys.rotate() == 0
        assert (await who.tokens.read_for_api(before)).name == name
        await who.tokens._keys._look()
        after = (await who.tokens.issue_for_api(actor)).token
        await sql(place, f"UPDATE signing_key SET created_at = created_at - {2 * DAY_US} WHERE purpose = $1", PURPOSE)  # noqa: S608
        assert await keys.rotate() == 1
        assert len(await keys.public()) == 1
        other = Accounts(scene.db, place)
        assert (await other.tokens.read_for_api(after)).name == name
        with pytest.raises(TokenRefused):
            await other.tokens.read_for_api(before)
        other.close()

    play(place, scenario)


def test_there_is_an_end_to_tokens_teams_and_grants(
    place: Settings, number: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, team = f"dora{next(number)}", f"crew{next(number)}"
    monkeypatch.setattr("entrepot.domain.accounts.service.credentials._MOST", 2)
    for limit in ("_MOST_TEAMS", "_MOST_GRANTS"):
        monkeypatch.setattr(f"entrepot.domain.accounts.service.organisations.{limit}", 2)

    async def scenario(who: Accounts) -> None:
        await who.users.add(name, PASSWORD)
        await who.organisations.add(team, name)
        made = [await who.credentials.add_personal(name, f"{each}", Terms()) for each in range(2)]
        with pytest.raises(TooMany, match="remove one first"):
            await who.credentials.add_personal(name, "one more", Terms())
        await who.credentials.revoke(made[0][0].id)
        await who.credentials.add_personal(name, "another", Terms())
        monkeypatch.setattr("entrepot.domain.accounts.service.credentials._MOST_STORED", 3)
        await who.credentials.revoke(made[1][0].id)
        await who.credentials.add_personal(name, "a third", Terms())
        assert len(await who.credentials.of_account(await who.users.find(name))) == 2, "those that held no more are gone"
        for each in ("a", "b"):
            await who.organisations.add_team(team, each)
            await who.organisations.grant_to_team(team, "a", Held(each, Grant.READ))
            await who.organisations.grant_to_account(team, name, Held(each, Grant.READ))
        await who.organisations.grant_to_team(team, "a", Held("a", Grant.WRITE))
        await who.organisations.grant_to_account(team, name, Held("b", Grant.WRITE))
        for refused in (
            who.organisations.add_team(team, "c"),
            who.organisations.grant_to_team(team, "a", Held("c", Grant.READ)),
            who.organisations.grant_to_account(team, name, Held("c", Grant.READ)),
        ):
            with pytest.raises(TooMany):
                await refused

    with_accounts(place, scenario)
