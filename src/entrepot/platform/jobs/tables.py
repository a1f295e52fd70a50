"""The job tables as the newest migration leaves them (a test compares the two)."""

from typing import Final

from sqlalchemy import MetaData, Table

from entrepot.platform.db.columns import UNRECALLED, exact, instant, key, number

METADATA: Final = MetaData()

job: Final = Table(
    "job",
    METADATA,
    key(),
    exact("key", nullable=True),
    exact("queue"),
    exact("kind"),
    exact("arguments"),
    exact("state"),
    instant("run_at"),
    exact("owner", nullable=True),
    instant("lease_until"),
    number("attempt"),
    number("max_attempts"),
    exact("checkpoint", nullable=True),
    exact("progress", nullable=True),
    exact("error"),
    number("cancel_requested"),
    number("again"),
    instant("created_at"),
    instant("finished_at", nullable=True),
    sqlite_autoincrement=True,
    info=UNRECALLED,
)
# A row for each queue: whoever claims locks it, so that two who count what runs cannot both find the last place free.
job_queue: Final = Table("job_queue", METADATA, exact("name", primary_key=True), info=UNRECALLED)
# The newest slot of each schedule for which a job was made, and that job.
job_schedule: Final = Table(
    "job_schedule", METADATA, exact("name", primary_key=True), instant("slot"), number("job"), info=UNRECALLED
)
