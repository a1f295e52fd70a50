"""A scenario that runs every statement of the catalogue and of search once."""

from entrepot.app.parts import Accounts, Parts
from entrepot.app.search import index_folder, looking
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.access.service.rule import AccountsRule, OpenRule
from entrepot.domain.catalogue.model import Badge, Category, Reason, ReportState
from entrepot.domain.catalogue.queries import images
from entrepot.domain.catalogue.service.kinds import Kinds
from entrepot.domain.catalogue.service.reports import Reports
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.domain.registry.model import Mark, TagOrder
from entrepot.domain.registry.queries import repositories
from entrepot.domain.registry.service.backdating import Backdating
from entrepot.domain.registry.service.changes import Changes
from entrepot.domain.registry.service.repositories import facts_in
from entrepot.domain.registry.service.tag_lists import TagLists
from entrepot.domain.search.queries import digests, documents, sights
from entrepot.domain.search.service.entries import entries
from entrepot.domain.search.service.searching import Searching
from entrepot.domain.search.service.sights import Sights
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.accounts import NETWORK
from support.parts import push_blob, sql
from support.recorder import Recorder

SHOWN = RepositoryName.parse("team/shown")
TAGGED = RepositoryName.parse("team/tagged")


async def catalogue_history(db: Recorder, whole: Parts, who: Accounts, settings: Settings) -> None:
    """Push images and look into them, give stars and badges, shelve, and read all that search reads."""
    content = b'{"os":"linux","architecture":"amd64","config":{"User":"\xc3\xa9","Labels":{"maintainer":"\xc3\xa9"}}}'
    for name in (SHOWN, TAGGED):
        config, layer = await push_blob(whole, name.stored, content), await push_blob(whole, name.stored, b"shown")
        image = manifests.image(config, layer)
        await whole.registry.manifests.push(ANYONE, name, image, None, ["v1"])
        await whole.registry.manifests.push(ANYONE, name, manifests.index(image.digest), None, ["v2"])
    await whole.registry.manifests.push(ANYONE, SHOWN, image, None, ["latest"])
    whole.db = db
    await _looks(db, whole, settings, image.digest)
    rule = OpenRule(facts_in(db))
    await _lists(settings, TagLists(db, rule))
    await _stars(settings, Stars(db, rule), (await who.users.find("cleo")).id)
    kinds = Kinds(db, rule)
    await kinds.grant("team", Badge.VERIFIED, "é")
    await kinds.grant("team", Badge.VERIFIED, "seen again")
    await kinds.grant("team", Badge.SPONSORED, "é")
    assert [each.kind for each in await kinds.granted("team")] == [Badge.SPONSORED, Badge.VERIFIED]
    await kinds.revoke("team", Badge.SPONSORED)
    assert [each.namespace for each in await kinds.granted()] == ["team"]
    await kinds.put_category(Category("zz", "Zed", "Zède"), 99)
    await kinds.shelve(ANYONE, SHOWN, ["zz", "security"])
    assert await kinds.of(SHOWN) == ("security", "zz")
    await kinds.drop_category("zz")
    assert len(await kinds.categories()) == 15
    await _reports(Reports(db, rule, mails=True))
    accounts = AccountsRule(who.organisations, who.identity.still, facts_in(db), anonymous=True)
    await _reads(db, accounts, await who.identity.basic("bob", "another fine password", NETWORK))
    nowhere = Searching(db, rule, index_folder(settings))
    assert [each.listed.name for each in (await nowhere.find(ANYONE, "team/sho")).hits] == [SHOWN.stored]
    found = await nowhere.find(ANYONE, str(Digest.of(content)))
    assert (found.count, found.digest) == (0, str(Digest.of(content)))


async def _lists(settings: Settings, lists: TagLists) -> None:
    for order in TagOrder:
        for after in ("", "v1"):
            await lists.groups(ANYONE, SHOWN, order, after, "v", 10)
    await sql(settings, "UPDATE tag SET version = NULL WHERE name = 'v1'")
    assert await lists.note_versions() >= 2
    await Backdating(lists._db).shift(SHOWN, 1_000_000)


async def _reports(reports: Reports) -> None:
    for _ in range(2):
        await reports.make(ANYONE, SHOWN, (Reason.SPAM, "é"), NETWORK)
    (made,) = await reports.page(ReportState.OPEN)
    assert (made.words, made.decided_at, await reports.count_open(10)) == ("é", None, 1)
    await reports.decide(made.id, ReportState.SETTLED, "é")
    assert (await reports.find(made.id)).note == "é"


async def _looks(db: Recorder, whole: Parts, settings: Settings, digest: Digest) -> None:
    look, follow = looking(settings, whole), Changes(db)
    last = (await follow.after(Mark(), 1000))[-1]
    assert last.manifest is not None
    assert last.mark == await follow.end()
    assert (await follow.clocks())[0] > last.mark.xact
    assert await follow.leads_on_from(last.mark)
    await look.look_at([last.manifest])
    assert await look.look_behind(0) is not None
    assert await follow.forget() == 0
    home, other = [await db.read(repositories.repository_id, each.stored) for each in (SHOWN, TAGGED)]
    assert home is not None
    assert other is not None
    assert (await db.read(images.shown, other))[1] == "v2"
    found = await db.read(images.shown, home)
    assert found is not None
    assert found[1] == "latest"
    assert (await db.read(images.variants, [found[0]]))[found[0]][0].platform == "linux/amd64"
    assert await db.read(images.platforms, home, [str(digest), "no"]) == {str(digest): "linux/amd64"}
    seen = await db.read(images.one, found[0])
    assert seen is not None
    assert (seen.runs_as, seen.labels) == ("é", {"maintainer": "é"})


async def _stars(settings: Settings, stars: Stars, account: int) -> None:
    actor = Actor("cleo", account=account)
    assert [await stars.give(actor, SHOWN) for _ in range(2)] == [True, False]
    assert await stars.has(actor, SHOWN)
    assert [name for name, _ in await stars.given(actor, account)] == [SHOWN.stored]
    assert await stars.take(actor, TAGGED) is False
    assert await stars.take(actor, SHOWN)
    assert await stars.give(actor, SHOWN)
    assert await stars.recount(0) is None
    await sql(settings, "UPDATE star_total SET stars = 5")
    assert await stars.recount(0) is not None


async def _reads(db: Recorder, rule: AccountsRule, bob: Actor) -> None:
    ids = await db.read(documents.ids_after, 0, 1000)
    assert [each for each in await db.read(entries, ids) if each.exact == (SHOWN.stored,)]
    assert await db.read(documents.pulled_since, 0, 10)
    home = await db.read(repositories.repository_id, SHOWN.stored)
    assert await db.read(digests.beginning, "team/sho", 10) == [home]
    for actor in (ANYONE, bob):
        await Sights(db, rule).of(actor)
    await db.read(sights.private, 1, 10)
