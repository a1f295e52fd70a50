"""`entrepot worker`: a process for background jobs only."""

from entrepot.base.settings import Found
from entrepot.cli.settings import with_settings


@with_settings
def worker(*, found: Found) -> None:
    """Run background jobs until stopped (Ctrl+C or SIGTERM); `serve` has one such process already, unless --jobs is none."""
    from entrepot.app import parts  # noqa: PLC0415 - not needed to show help
    from entrepot.app.jobs import work_on_jobs  # noqa: PLC0415
    from entrepot.platform.telemetry.log import set_up  # noqa: PLC0415

    set_up(found.settings.log_level, found.settings.log_format)
    parts.announce(found.settings, parts.prepare(found.settings))
    work_on_jobs(found.settings)
