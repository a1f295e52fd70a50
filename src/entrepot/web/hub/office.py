"""What pages ask who administers the hub: the services behind all that there is, and what can be told of the hub at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from entrepot.domain.access.service.modes import Modes
from entrepot.domain.accounts.service.directory import Directory
from entrepot.domain.audit.model import Author
from entrepot.domain.audit.service.reading import Reading
from entrepot.domain.catalogue.service.kinds import Kinds
from entrepot.domain.catalogue.service.reports import Reports
from entrepot.domain.registry.service.names import Names
from entrepot.platform.jobs import Board


class Machine(msgspec.Struct, frozen=True):
    """What this machine knows of itself: bytes, and microseconds UTC; None is what cannot be told."""

    open_uploads: int | None
    disk_free_bytes: int | None
    disk_size_bytes: int | None
    disk_min_free_bytes: int
    certificate_ends_at: int | None
    is_bucket: bool  # blobs lie elsewhere


class InForce(msgspec.Struct, frozen=True):
    """A setting: its value as people may see it, and where that came from."""

    name: str
    value: str
    origin: str
    sentence: str


class Office(NamedTuple):
    """The services; those of `names` and `kinds` change nothing while the registry is read-only."""

    directory: Directory
    names: Names
    kinds: Kinds
    modes: Modes
    board: Callable[[Author], Board]
    audit: Reading
    reports: Reports
    machine: Callable[[], Awaitable[Machine]]
    settings: Sequence[InForce]
