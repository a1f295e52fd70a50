"""`entrepot serve`: the registry."""

import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import typer

from entrepot.base.settings import Found, Settings, workers
from entrepot.cli.settings import WRONG_USE, refuse, with_settings

if TYPE_CHECKING:
    from entrepot.app.accounts import FirstAdministrator

_log: Final = logging.getLogger(__name__)


@with_settings
def serve(*, found: Found) -> None:
    """Serve the registry until stopped (Ctrl+C or SIGTERM)."""
    # Imported here, so that `entrepot --help` and the other commands do not wait for the web server's code.
    from entrepot.app import parts as data  # noqa: PLC0415
    from entrepot.app import serving as web  # noqa: PLC0415
    from entrepot.app.accounts import ensure_administrator  # noqa: PLC0415
    from entrepot.app.certificates import keeper  # noqa: PLC0415
    from entrepot.app.face import read_files  # noqa: PLC0415
    from entrepot.app.jobs import follow_changes, work_on_jobs  # noqa: PLC0415
    from entrepot.app.limits import windows_kept  # noqa: PLC0415
    from entrepot.platform.serving.server import Serving  # noqa: PLC0415
    from entrepot.platform.serving.server import serve as serve_web  # noqa: PLC0415
    from entrepot.platform.telemetry.log import set_up  # noqa: PLC0415

    settings = found.settings
    _check_reach(settings)
    read_files(settings)  # a logo or a text that cannot be shown is told now, and not by the first page
    set_up(settings.log_level, settings.log_format)
    revisions = data.prepare(settings)
    if settings.access == "accounts":
        _show_administrator(ensure_administrator(settings))
    secured = keeper(settings)
    data.announce(settings, revisions)
    host, port = settings.host_and_port
    serving = Serving(host, port, workers(settings), settings.shutdown_delay, settings.shutdown_limit, secured)
    if secured is not None:
        secured.start()
        _show_authority(settings)
    web.prepare_api(settings)
    work = ("entrepot-jobs", partial(work_on_jobs, settings, follows=True))
    if settings.jobs == "none":
        work = ("entrepot-index", partial(follow_changes, settings))
    with web.disk_kept(settings), windows_kept(settings) as windows:
        serve_web(serving, partial(web.web, found, web.meters(settings), secured, windows), work)


def _show_administrator(made: "FirstAdministrator | None") -> None:
    """Say where the password of a new administrator is; itself it is shown to people only, never to a log."""
    if made is None:
        return
    about = {"user": made.name, "password_file": made.file or None, "namespaces": made.namespaces or None}
    _log.info("administrator_made", extra={key: value for key, value in about.items() if value is not None})
    if made.file and sys.stdout.isatty():
        typer.echo(f"Sign in as {made.name} with the password {made.password}, which {made.file} has too.")


def _show_authority(settings: Settings) -> None:
    """Say how clients are told to trust our own authority: to people in full, in a log of JSON where to find it."""
    from entrepot.app.certificates import SELF_SIGNED, told  # noqa: PLC0415 - see above

    if settings.tls != SELF_SIGNED:
        return
    if settings.log_format == "text":
        typer.echo(f"{told(settings).text}\n\n`entrepot tls` with the same settings shows this again.")
    else:
        _log.info("authority_to_trust", extra={"file": told(settings).authority, "commands": "entrepot tls"})


def _check_reach(settings: Settings) -> None:
    from entrepot.web.shared.gate import is_local  # noqa: PLC0415 - see above

    host, _ = settings.host_and_port
    if settings.access == "open" and not is_local(host) and not settings.open_to_network:
        refuse(
            f"with --access open everyone who reaches the registry may change everything, so it listens on this machine only, "
            f"not on {host}: use --listen 127.0.0.1:{settings.host_and_port[1]}, or add --open-to-network true if you mean it",
            WRONG_USE,
        )
