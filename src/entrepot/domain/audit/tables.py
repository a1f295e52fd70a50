"""The tables of the audit log as the newest migration leaves them (a test compares the two)."""

from typing import Final

from sqlalchemy import Column, MetaData, Table

from entrepot.platform.db.columns import BIG, UNRECALLED, content, exact, instant, key, number

METADATA: Final = MetaData()

audit_event: Final = Table(
    "audit_event",
    METADATA,
    key(),
    instant("happened_at"),
    exact("actor"),
    exact("credential"),  # the id of what they signed in with, '' for none
    exact("os_user"),  # of the machine, where it was done by a command
    exact("address", nullable=True),  # whole, until it is cut
    content("address_salt", nullable=True),  # goes with it
    exact("network"),  # what is left of the address after the cut
    content("address_mark"),  # what the chain covers of the address
    exact("act"),
    exact("namespace"),
    exact("target"),
    exact("outcome"),
    exact("details"),  # JSON
    Column("position", BIG, nullable=True, unique=True),  # in the chain; rows without one wait for the sequencer
    content("digest", nullable=True),
    info=UNRECALLED,
)
# One row: the end of the chain, locked by whoever makes it longer, and the row up to which it was pruned.
audit_chain: Final = Table(
    "audit_chain",
    METADATA,
    exact("name", primary_key=True),
    number("position"),
    content("digest"),
    number("floor"),
    info=UNRECALLED,
)
# Never deleted: what is left of rows that were pruned.
audit_anchor: Final = Table(
    "audit_anchor",
    METADATA,
    number("position", primary_key=True),
    content("digest"),
    exact("token"),  # signed: position, digest, and the position of the anchor before
    instant("made_at"),
    exact("floor", nullable=True),  # signed: that the rows up to this one were pruned,
    info=UNRECALLED,
)
