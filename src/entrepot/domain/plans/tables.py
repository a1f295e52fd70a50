"""The tables of plans as the newest migration leaves them (a test compares the two)."""

from typing import Final

from sqlalchemy import Column, ForeignKey, MetaData, Table

from entrepot.domain.accounts.tables import namespace
from entrepot.platform.db.columns import BIG, EXACT_TEXT, exact, instant, number

METADATA: Final = MetaData()


def _limit(name: str) -> Column[int]:
    return Column(name, BIG, nullable=True)


# The administrator's data; an empty limit stands for any number.
plan: Final = Table(
    "plan",
    METADATA,
    exact("name", primary_key=True),
    number("rank"),  # the order in which they are shown, and in which more is offered
    _limit("private_repositories"),
    _limit("storage_bytes"),
    _limit("pulls"),  # of an account in six hours
    _limit("seats"),
    number("priority"),  # of the namespace's jobs: more comes first
    exact("features"),  # names of switches, with spaces between them
)
# A namespace without a row has the plan that the settings name.
subscription: Final = Table(
    "subscription",
    METADATA,
    number("namespace", ForeignKey(namespace.c.id), primary_key=True),
    Column("plan", EXACT_TEXT, ForeignKey("plan.name"), nullable=False),
    instant("since"),
)
