"""What `entrepot doctor` looks at: the checks of all parts, and an upload to ourselves through whatever stands in front."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from entrepot.app.certificates import authority
from entrepot.app.certificates import check as check_certificate
from entrepot.app.parts import DATABASE_FILE, BucketTaken, Parts, key_file, opened, opened_database, pending
from entrepot.app.people import hub_url
from entrepot.app.search import check_index
from entrepot.base.bucket import parse_bucket
from entrepot.base.errors import EntrepotError
from entrepot.base.findings import Finding, error, ok, warning
from entrepot.base.mailing import parse_smtp
from entrepot.base.settings import Settings, workers
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.registry.errors import UploadUnknown
from entrepot.platform.db.checkup import examine_postgresql, examine_sqlite
from entrepot.platform.http.probe import Probe
from entrepot.platform.http.verdict import judge
from entrepot.platform.mail.checkup import examine_mail
from entrepot.platform.mail.smtp import Mailer
from entrepot.platform.secrets.keys import check_key
from entrepot.platform.storage.checkup import check_disk, check_open_files
from entrepot.spec.oci.names import RepositoryName
from entrepot.spec.oci.scopes import Scope

_MIGRATE: Final = "run `entrepot migrate`, or start the service, which does it"
# Where the doctor uploads to: nothing is ever finished there, so no client and no catalogue shows it.
_PROBED: Final = RepositoryName.parse("entrepot-doctor/probe")
_ACCEPTED: Final = 202
_CANCELLED: Final = 204
_PAGE: Final = 100


async def checkup(settings: Settings) -> AsyncIterator[Finding]:
    """Look at all that the service stands on, from this machine; what is found is told as it is found."""
    found = await asyncio.to_thread(_check_machine, settings)
    if settings.database:
        found += await examine_postgresql(settings.database, workers(settings))
    if settings.storage:
        from entrepot.platform.storage.s3.checkup import examine_bucket  # noqa: PLC0415 - only clusters have the client library

        found += await examine_bucket(parse_bucket(settings.storage))
    for finding in found:
        yield finding
    try:
        missing = await pending(settings)
        schema = warning("schema", f"{', '.join(missing)} not run", _MIGRATE) if missing else ok("schema", "up to date")
    except EntrepotError as refused:
        schema = error("schema", refused.message, "see the lines above")
    yield schema
    if settings.smtp:
        mailer = Mailer(parse_smtp(settings.smtp), settings.mail_from)
        yield await examine_mail(mailer, hub_url(settings), is_public=bool(settings.public_url))
    mode = await _check_mode(settings) if schema.verdict == "ok" else None
    if mode:
        yield mode
    with suppress(EntrepotError):  # what cannot be opened has a line above
        async with opened_database(settings) as db:
            yield await check_index(settings, db)
    if not settings.public_url:
        return
    if any(finding.verdict == "error" for finding in found) or schema.verdict != "ok" or mode:
        yield warning("public URL", "not tried, because of the lines above", "mend those first")
        return
    yield await _upload_through_proxy(settings)


async def _check_mode(settings: Settings) -> Finding | None:
    """Tell of a mode that somebody may have forgotten to end, and of a bucket that another registry has."""
    with suppress(EntrepotError):  # what else cannot be opened has a line above
        try:
            async with opened(settings) as parts:
                mode = await parts.modes.current()
        except BucketTaken as taken:
            return error("bucket", taken.message, "correct --storage or --database before anything is started with them")
        if mode.read_only:
            told = f"the registry is read-only{f': {mode.reason}' if mode.reason else ''}"
            return warning("mode", told, "when what it is for is done: entrepot mode normal")
    return None


def _check_machine(settings: Settings) -> list[Finding]:
    folder = Path(settings.data).resolve()
    own_database = [] if settings.database else examine_sqlite(folder / DATABASE_FILE)
    return [
        *check_disk(folder, settings.min_free),
        check_key(key_file(settings), is_made=not settings.secret_key_file),
        check_open_files(),
        *check_certificate(settings),
        *own_database,
    ]


async def _upload_through_proxy(settings: Settings) -> Finding:
    """Upload to ourselves as a client does, and cancel the upload."""
    parts = Parts(settings)
    await parts.open()
    try:
        actor = await _uploader(settings, parts)
        if actor is None:
            told = "not tried, because there is no administrator"
            return warning("public URL", told, "start the service, which makes the first")
        return await _uploaded(settings, parts, actor)
    finally:
        await parts.close()


async def _uploader(settings: Settings, parts: Parts) -> Actor | None:
    """Return who may upload to a place that nobody owns."""
    if settings.access == "open":
        return ANYONE
    last = ""
    while page := await parts.accounts.users.page(last, _PAGE):
        for account in page:
            if account.is_admin and account.is_active:
                return Actor(account.name, account.id, account.generation, is_admin=True)
        last = page[-1].name
    return None


async def _uploaded(settings: Settings, parts: Parts, actor: Actor) -> Finding:
    scope = Scope("repository", _PROBED.asked, ("pull", "push"))
    token = (await parts.accounts.tokens.issue(actor, [scope])).token if actor.is_somebody else ""
    probe = Probe(settings.public_url, trusting=authority(settings), token=token)
    begun = await asyncio.to_thread(probe.request, "POST", f"/v2/{_PROBED.asked}/blobs/uploads/")
    if begun.answer is None or begun.answer.status != _ACCEPTED:
        return judge(settings.public_url, begun)
    location = urlsplit(begun.answer.headers.get("location", "")).path
    id_ = location.rpartition("/")[2]
    try:
        uploads, loop = parts.registry.uploads, asyncio.get_running_loop()
        await uploads.status(actor, _PROBED, id_)

        def arrives() -> bool:
            return asyncio.run_coroutine_threadsafe(uploads.is_held(id_), loop).result()

        sent = await asyncio.to_thread(probe.upload, location, arrives)
        return judge(settings.public_url, sent)
    except UploadUnknown:
        told = f"{settings.public_url} leads to a registry with other data than {settings.data}"
        return error(
            "public URL", told, "give this command the settings of the registry that serves there, or correct --public-url"
        )
    finally:
        ended = await asyncio.to_thread(probe.request, "DELETE", location)
        if ended.answer is None or ended.answer.status != _CANCELLED:
            with suppress(EntrepotError):  # it expires by itself
                await parts.registry.uploads.cancel(actor, _PROBED, id_)
