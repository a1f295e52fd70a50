"""The tables of access as the newest migration leaves them (a test compares the two)."""

from typing import Final

from sqlalchemy import MetaData, Table

from entrepot.platform.db.columns import exact, instant, number

METADATA: Final = MetaData()

# One row at most, `registry`: without it the mode is the normal one.
service_mode: Final = Table(
    "service_mode", METADATA, exact("name", primary_key=True), number("read_only"), exact("reason"), instant("changed_at")
)
