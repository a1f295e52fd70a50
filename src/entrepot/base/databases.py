"""Where a database is: the value of `--database`, taken apart.

It is the address that PostgreSQL's own tools read, with one more option, which is ours: `pooler=transaction` says that a pooler
stands between, which may give each transaction another connection, as PgBouncer does with `pool_mode = transaction`.
"""

from typing import Final

import msgspec

_OURS: Final = "pooler"
_TRANSACTION: Final = "transaction"


class PoolerUnknown(ValueError):
    """The option for a pooler is not one that we know."""


class Where(msgspec.Struct, frozen=True):
    """A database on a server: the address for its driver, and whether nothing may outlive a transaction there."""

    url: str
    is_pooled: bool = False


def parse_database(text: str) -> Where:
    """Take the setting apart. Raises PoolerUnknown, a ValueError, with the reason."""
    address, mark, rest = text.partition("?")
    options = rest.split("&") if mark else []
    ours = [option for option in options if option.partition("=")[0] == _OURS]
    if any(option.partition("=")[2] != _TRANSACTION for option in ours):
        raise PoolerUnknown(f"its option {_OURS} can only be {_TRANSACTION}")
    others = [option for option in options if option not in ours]
    return Where(f"{address}?{'&'.join(others)}" if others else address, bool(ours))
