"""Every statement of the product, run in one scenario on both databases, returns the same rows: equal values of equal types."""

import asyncio
import importlib
import pkgutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

import entrepot.domain
from entrepot.app.audit import audit
from entrepot.app.parts import Accounts, Parts, key_file
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import RegistryReadOnly
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.access.service.modes import Modes
from entrepot.domain.access.service.rule import AccountsRule, OpenRule
from entrepot.domain.plans.service import Plans
from entrepot.domain.registry.errors import RegistryError
from entrepot.domain.registry.queries import repositories, uploads
from entrepot.domain.registry.service import Rules, registry
from entrepot.domain.registry.service.repositories import facts_in
from entrepot.domain.registry.service.uploads import Body
from entrepot.domain.registry.tables import METADATA
from entrepot.platform.db.database import answers
from entrepot.platform.db.statements import ListStatement, Statement
from entrepot.platform.secrets.keys import ensure_key
from entrepot.spec.oci.chunks import Chunk
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.manifest import Manifest
from entrepot.spec.oci.names import RepositoryName
from support import images, manifests
from support.account_history import account_history
from support.accounts import NETWORK, PASSWORD
from support.audit import audit_history
from support.catalogue_history import catalogue_history
from support.name_history import deletion, doomed, name_history, plan_history
from support.parts import parts, prepared, push_blob, sql
from support.people_history import people_history
from support.postgres import Cluster
from support.recorder import Recorder, Seen, plain
from support.stores import pieces

ONE: Final = RepositoryName.parse("team/one")
RULES: Final = Rules(gc_grace_s=3600, sparse="none")
TWO: Final = RepositoryName.parse("team/two")
NOTHING: Final = Digest.of(b"nothing has this digest")
# In byte order; a language's order has "a" before "B", and "_x" or "1" elsewhere.
TAGS: Final = ["1.0", "A", "B", "Z", "_x", "a", "aB", "a_b", "ab", "b", "v1", "v10", "v2"]


def statements() -> dict[int, str]:
    """Find every statement of the product's queries, by identity."""
    found: dict[int, str] = {}
    for module in _modules():
        for name, value in vars(module).items():
            if isinstance(value, Statement | ListStatement):
                found.setdefault(id(value), f"{module.__name__.removeprefix('entrepot.')}.{name}")
    return found


def _modules() -> Iterator[Any]:
    yield importlib.import_module("entrepot.platform.db.database")
    for about in pkgutil.walk_packages(entrepot.domain.__path__, "entrepot.domain."):
        if ".queries" in about.name:
            yield importlib.import_module(about.name)


async def pushes(whole: Parts) -> None:
    """Push blobs, images, an index and an artifact, mount, and move tags."""
    rooms = whole.registry
    await doomed(whole)
    layer, config = await push_blob(whole, "team/one", b"layer"), await push_blob(whole, "team/one", b"{}")
    assert await rooms.uploads.mount(ANYONE, TWO, layer, ONE)
    assert await rooms.uploads.mount(ANYONE, TWO, config, None)
    assert not await rooms.uploads.mount(ANYONE, TWO, NOTHING, ONE)
    first, second = manifests.image(config, layer), manifests.image(config, layer, config)
    await rooms.manifests.push(ANYONE, ONE, first, None, TAGS)
    await rooms.manifests.push(ANYONE, ONE, second, None, ["a", "A"])
    await rooms.manifests.push(ANYONE, TWO, first, None, [])
    await rooms.manifests.push(ANYONE, ONE, manifests.index(first.digest, second.digest), None, ["all"])
    await rooms.manifests.push(ANYONE, ONE, _artifact(config, first.digest), None, [])
    with pytest.raises(RegistryError):
        await rooms.manifests.push(ANYONE, ONE, manifests.image(NOTHING, layer), None, [])
    await deletion(rooms)


async def readings(whole: Parts) -> None:
    """Read all that can be read, present and absent."""
    rooms, first = whole.registry, manifests.image(Digest.of(b"{}"), Digest.of(b"layer"))
    for reference in ("a", "v10", first.digest):
        await rooms.manifests.find(ANYONE, ONE, reference)
    for reference in ("no", NOTHING):
        with pytest.raises(RegistryError):
            await rooms.manifests.find(ANYONE, ONE, reference)
    await rooms.blobs.check(ANYONE, ONE, Digest.of(b"layer"))
    with pytest.raises(RegistryError):
        await rooms.blobs.find(ANYONE, ONE, NOTHING)
    for kind in (None, "application/vnd.example", "application/vnd.other"):
        await rooms.manifests.referrers(ANYONE, ONE, first.digest, kind, 0)
    for last in ("", "A", "a", "zz"):
        await rooms.tags.page(ANYONE, ONE, last, 3)
        await rooms.tags.catalogue(ANYONE, last, 3)
        await rooms.tags.details(ANYONE, ONE, last, 3)
        await rooms.listing.page(ANYONE, "team", f"team/{last}", 3)
    assert (await rooms.tags.detail(ANYONE, ONE, "v10")).size > len(b"{}") + len(b"layer")
    assert [each.name for each in await rooms.listing.of_names(["team/two", "team/none", "team/one"])] == [
        ONE.stored,
        TWO.stored,
    ]
    await rooms.listing.one(ANYONE, ONE)
    assert await rooms.listing.count(2) == 2
    await rooms.tags.history(ANYONE, ONE, "a", 10)
    await whole.db.read(answers)


async def troubles(whole: Parts, settings: Settings) -> None:
    """Unfinished, renewed and cancelled uploads, a damaged blob, old links, and deletions."""
    rooms = whole.registry
    upload = await rooms.uploads.start(ANYONE, ONE, "sha256")
    await rooms.uploads.append(ANYONE, ONE, upload.id, Body(pieces(b"some")))
    with pytest.raises(RegistryError):
        await rooms.uploads.append(ANYONE, ONE, upload.id, Body(pieces(b"some"), Chunk(0, 3)))
    await rooms.uploads.status(ANYONE, ONE, upload.id)
    assert await rooms.uploads.count_open() == 1
    assert not await rooms.uploads.is_held(upload.id)
    assert [await rooms.stores.note(each) for each in ("one", "two")] == ["one"] * 2
    times = uploads.Times(lease_us=1, lifetime_us=1)
    await whole.db.write(partial(uploads.renew, id_=upload.id, token="nobody's", times=times))  # noqa: S106 - a lease's
    assert [found async for found in rooms.blobs.leftovers()] == []
    await rooms.uploads.cancel(ANYONE, ONE, upload.id)
    with pytest.raises(RegistryError):
        await rooms.uploads.append(ANYONE, ONE, upload.id, Body(pieces(b"more")))
    await push_blob(whole, "team/one", b"named by nobody")
    await rooms.blobs.delete(ANYONE, ONE, Digest.of(b"named by nobody"))
    await clean_up(whole, settings)
    # From here on the two databases may number new blobs differently: PostgreSQL spends a number on a row that is there already.
    await sql(settings, "UPDATE repository_blob SET touched_at = 1")
    await rooms.blobs.check(ANYONE, ONE, Digest.of(b"layer"))
    assert await sql(settings, "SELECT count(*) FROM repository_blob WHERE touched_at > 1") == [(1,)]
    for damaged in (Path(settings.data) / "blobs").rglob("*.*"):
        damaged.unlink()
    await push_blob(whole, "team/one", b"layer")
    with pytest.raises(RegistryError):
        await rooms.blobs.delete(ANYONE, ONE, Digest.of(b"layer"))
    await rooms.tags.delete(ANYONE, ONE, "B")
    image = manifests.image(Digest.of(b"{}"), Digest.of(b"layer"))
    await rooms.manifests.push(ANYONE, ONE, image, None, [])
    await rooms.manifests.delete(ANYONE, ONE, image.digest)


async def clean_up(whole: Parts, settings: Settings) -> None:
    """Check everything, and collect a link, two blobs and an upload."""
    rooms = whole.registry
    assert len(await rooms.checker.page(0)) == 3
    assert [fault async for fault in rooms.checker.manifests()] == []
    assert [fault async for fault in rooms.checker.references()] == []
    await push_blob(whole, "team/one", b"unnamed")
    left = await rooms.uploads.start(ANYONE, TWO, "sha256")
    await sql(settings, "UPDATE upload SET expires_at = 1 WHERE id = $1", left.id)
    assert await rooms.collector.expire_uploads() == 1
    await sql(settings, "UPDATE repository_blob SET touched_at = 1")
    await sql(settings, "UPDATE repository SET uploaded_at = 1")
    assert (await rooms.collector.take_links((0, 0))).taken == 1
    assert (await rooms.collector.condemn(0)).taken == 2
    await sql(settings, "UPDATE blob SET condemned_at = 1 WHERE condemned_at IS NOT NULL")
    assert (await rooms.collector.delete_condemned()).objects == 2


async def pulls(whole: Parts) -> None:
    """Count pulls by somebody with a token and by nobody, and look at them."""
    counts = whole.registry.pulls
    for _ in range(2):
        counts.note(Actor("acme+ci", credential="é", owner="acme"), ONE.stored, NETWORK)
        counts.note(ANYONE, "team/none", NETWORK)
        counts.note(ANYONE, ONE.stored, NETWORK, str(NOTHING), "é")
        await counts.flush()
    assert [(each.repository, each.pulls) for each in await counts.recent("acme", 10)] == [(ONE.stored, 2)]
    await counts.note_leaders()
    ((id_, _),) = await counts.leaders(10)
    assert await counts.of_images(id_, 2, 10) == [(str(NOTHING), 2)]
    assert [each.pulls for each in await counts.days(id_)] == [2]
    assert (await counts.of_tags(id_, ["é", "no"]))["é"][0] == 2
    assert await counts.forget() == 0


async def changes_of_mode(whole: Parts) -> None:
    """Make the registry read-only, and normal again."""
    modes = Modes(whole.db)
    await modes.change(read_only=True, reason="é")
    assert (await modes.current()).read_only
    with pytest.raises(RegistryReadOnly):
        await whole.registry.tags.delete(ANYONE, ONE, "A")
    await modes.change(read_only=False)


async def listings(db: Recorder, whole: Parts, who: Accounts) -> None:
    """List repositories for nobody and for somebody, and push into an organisation that is made by the push."""
    rule = AccountsRule(who.organisations, who.identity.still, facts_in(db), anonymous=True)
    rooms = registry(db, whole.storage, rule, Rules(gc_grace_s=3600, sparse="none"))
    cleo = await who.identity.basic("cleo", PASSWORD, NETWORK)
    await rooms.uploads.start(cleo, RepositoryName.parse("made/new"), "sha256")
    for actor in (ANYONE, cleo, await who.identity.basic("bob", "another fine password", NETWORK)):
        await rooms.tags.catalogue(actor, "", 10)
        await rooms.listing.page(actor, "team", "", 10)


async def _scenario(settings: Settings) -> tuple[list[Seen], dict[str, list[Any]]]:
    async with parts(settings) as whole:
        recorder = Recorder(whole.db)
        whole.db = recorder
        whole.registry = registry(recorder, whole.storage, OpenRule(facts_in(recorder)), RULES, plans=Plans(recorder, "free"))
        await pushes(whole)
        await readings(whole)
        await troubles(whole, settings)
        await pulls(whole)
        await changes_of_mode(whole)
        await whole.registry.repositories.set_visibility(ANYONE, TWO, public=False)
        assert not await whole.registry.repositories.is_public(ANYONE, TWO)
        if settings.database:  # it spends numbers on rows that are there already
            for each in ("namespace", "repository", "blob", "manifest"):
                await sql(settings, f"SELECT setval(pg_get_serial_sequence('{each}', 'id'), max(id)) FROM {each}")  # noqa: S608
        ensure_key(key_file(settings))
        who = Accounts(recorder, settings)
        await account_history(who, settings)
        await people_history(recorder, settings)
        await who.users.add("cleo", PASSWORD, is_admin=True)
        await listings(recorder, whole, who)
        await catalogue_history(recorder, whole, who, settings)
        await name_history(whole.registry, who)
        await plan_history(whole.registry, who.plans, (await who.users.find("cleo")).id)
        who.close()
        await audit_history(audit(recorder, settings), settings)
        assert await recorder.read(repositories.repository_id, "team/none") is None
    tables = {}
    for table in METADATA.sorted_tables:
        columns = ", ".join(column.name for column in table.columns if column.name != "xact")
        rows = await sql(settings, f"SELECT {columns} FROM {table.name}")  # noqa: S608 - names of our own tables
        tables[table.name] = sorted(str(plain(row)) for row in rows)
    return recorder.seen, tables


@pytest.fixture(scope="module")
def both(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[Seen], dict[str, list[Any]]]]:
    """The same scenario on SQLite and on PostgreSQL."""
    places = [prepared(tmp_path_factory.mktemp("place"), database) for database in ("", postgres.new_database())]
    return [asyncio.run(_scenario(place)) for place in places]


def test_every_statement_was_run(both: list[tuple[list[Seen], object]]) -> None:
    known = statements()
    assert len(known) > 30
    for seen, _ in both:
        assert sorted(known[each] for each in known.keys() - {id(statement) for statement, _ in seen}) == []


def test_every_statement_returned_the_same_rows_on_both_databases(both: list[tuple[list[Seen], object]]) -> None:
    known = statements()
    on_sqlite, on_postgresql = (
        # Those of the job engine have tests of their own, and PostgreSQL's transactions have numbers that SQLite's have not.
        [
            (name, rows)
            for statement, rows in seen
            if (name := known.get(id(statement), "queries.changes")) and "queries.changes" not in name
        ]
        for seen, _ in both
    )
    for sqlite, postgresql in zip(on_sqlite, on_postgresql, strict=True):
        assert sqlite == postgresql


def test_both_databases_hold_the_same_rows_afterwards(both: list[tuple[object, dict[str, list[Any]]]]) -> None:
    (_, sqlite), (_, postgresql) = both
    assert sqlite == postgresql
    assert all(rows for name, rows in sqlite.items() if name != "upload")


def test_values_are_of_the_types_that_both_drivers_share(both: list[tuple[list[Seen], dict[str, list[Any]]]]) -> None:
    def types(rows: object) -> set[str]:
        if isinstance(rows, list):
            return set().union(*(types(each) for each in rows))
        return {rows[0]} if isinstance(rows, tuple) else set()

    assert set().union(*(types(rows) for seen, _ in both for _, rows in seen)) <= {"int", "str", "bytes", "NoneType", "bool"}


def test_tags_and_repositories_come_in_byte_order_page_by_page(database_url: str, tmp_path: Path) -> None:
    names = [f"{first}/{second}" for first in ("a", "a-b", "a.b", "a_b", "ab", "a0", "b") for second in ("x", "x-y", "x0", "xy")]
    place = prepared(tmp_path, database_url)

    async def scenario() -> None:
        async with parts(place) as whole:
            for name in names:
                image = manifests.image(await push_blob(whole, name, b"{}"))
                await whole.registry.manifests.push(
                    ANYONE, RepositoryName.parse(name), image, None, TAGS if name == "a/x" else []
                )
            repository = RepositoryName.parse("a/x")
            for limit in (1, 2, 5, 100):
                assert await _paged(partial(whole.registry.tags.page, ANYONE, repository), limit) == TAGS
                assert await _paged(partial(whole.registry.tags.catalogue, ANYONE), limit) == sorted(names, key=str.encode)

    asyncio.run(scenario())


async def _paged(page: Any, limit: int) -> list[str]:
    names: list[str] = []
    while True:
        found = await page(names[-1] if names else "", limit)
        names += found.names
        if not found.more:
            return names
        assert len(found.names) == limit


def _artifact(config: Digest, subject: Digest) -> Manifest:
    about = {"subject": manifests.descriptor(subject, images.MANIFEST), "annotations": {"key": "value", "é": "\u0000"}}
    return manifests.image(config, artifactType="application/vnd.example", **about)
