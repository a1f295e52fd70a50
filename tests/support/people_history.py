"""A scenario that runs every statement about sessions, second factors, links and mail once, for users that are there."""

import time
from functools import partial

import msgspec

from entrepot.app.parts import Accounts, key_file
from entrepot.base.settings import Settings
from entrepot.domain.accounts.model import Place, Terms
from entrepot.domain.accounts.queries import credentials
from entrepot.domain.accounts.service.keys import Keys
from entrepot.domain.accounts.service.sessions import Browser
from entrepot.domain.accounts.service.upkeep import AccountUpkeep
from entrepot.platform.db.database import Database
from entrepot.platform.secrets.rotation import KeyFile
from entrepot.spec.otp import totp
from support.accounts import NETWORK, PASSWORD
from support.mailbox import SENDER, mailbox
from support.parts import sql
from support.people import Scene, secret_of

_DAY_S = 86_400


async def people_history(db: Database, place: Settings) -> None:
    """Let zoe do all that people do, invite others, and end her account."""
    async with mailbox() as box:
        about = {"signup": "open", "smtp": box.url, "mail_from": SENDER}
        scene = Scene(Accounts(db, msgspec.structs.replace(place, **about)), db, box, place)
        await _links(scene)
        await _proofs(scene)
        account = await scene.who.users.find("zoe")
        await scene.who.people.own.export(account)
        await scene.who.people.factors.remove(account)
        await scene.who.people.own.delete(await scene.who.users.find("zoe"), "another fine password", "", NETWORK)
        scene.who.close()


async def _links(scene: Scene) -> None:
    people, place = scene.who.people, scene.place
    await scene.who.organisations.add("folk", "ann")
    made, _ = await people.invitations.invite_user("", "ann", by_administrator=True)
    await people.invitations.revoke(made.id)
    await people.invitations.invite_member("folk", "new@example.com", Place.OWNER, "ann", by_administrator=True)
    await scene.deliver()
    assert len(await people.invitations.page("", 10)) == len(await people.invitations.page("folk", 10)) == 1
    await people.invitations.accept(scene.box.link(), "newcomer", PASSWORD)
    await people.recovery.ask_reset("zoe", NETWORK)
    await scene.deliver()
    await people.recovery.reset(scene.box.link(), "another fine password")
    await scene.deliver()
    await scene.who.users.set_language("zoe", "fr")
    await scene.who.credentials.add_personal("zoe", "laptop", Terms(), lifetime_s=20 * _DAY_S)
    past = 10 * _DAY_S * 1_000_000
    await sql(place, f"UPDATE credential SET created_at = created_at - {past}, expires_at = expires_at - {past}")  # noqa: S608
    assert await people.post.notice_tokens() == 1
    await sql(place, "UPDATE one_time_link SET expires_at = 1 WHERE account IS NULL")
    assert await people.invitations.prune() == 2


async def _proofs(scene: Scene) -> None:
    people = scene.who.people
    account = await scene.who.users.find("zoe")
    secret = secret_of((await people.factors.begin(account)).secret)
    codes = await people.factors.confirm(account, totp.code(secret, int(time.time()) // totp.STEP_S), NETWORK)
    for is_required in (True, False):
        await scene.who.organisations.require_second_factor("folk", is_required=is_required)
    here = Browser(NETWORK, "é")
    account, first = await people.sessions.sign_in("zoe", "another fine password", codes[0], here)
    await people.sessions.sign_in("zoe", "another fine password", codes[1], msgspec.structs.replace(here, secret=first))
    (session,) = await people.sessions.of_account(account)
    await people.sessions.end_any(session.id)
    await sql(scene.place, "UPDATE session SET ends_at = 1")
    await people.sessions.prune()
    secret_of_session = await people.sessions.start(account, here)
    assert await people.sessions.find(secret_of_session, NETWORK) is not None
    await sql(scene.place, "UPDATE session SET seen_at = seen_at - 86400000000, address = '192.0.2.1'")
    await sql(scene.place, "UPDATE credential SET used_at = 1, used_from = '192.0.2.1' WHERE name = 'laptop'")
    upkeep = AccountUpkeep(scene.db)
    assert await upkeep.cut_addresses(1) >= 2
    await upkeep.prune_credentials()
    await scene.db.write(partial(credentials.prune_of, namespace_=account.namespace))
    keys = Keys(scene.db, KeyFile(key_file(scene.place)), "a test")
    await keys.newest()
    await sql(scene.place, "UPDATE signing_key SET created_at = 1 WHERE purpose = 'a test'")
    assert await keys.rotate() == 1
    await sql(scene.place, "UPDATE signing_key SET created_at = created_at - 90000000000 WHERE purpose = 'a test'")
    assert await keys.rotate() == 1
    await people.sessions.end_all(account)
