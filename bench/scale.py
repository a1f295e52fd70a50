"""How much each benchmark does: the full run, and the quick one for trying a change."""

from dataclasses import dataclass
from typing import Final

KIB: Final = 1 << 10
MIB: Final = 1 << 20
CONNECTIONS: Final = 32
SMALL_BLOB_BYTES: Final = 2 * KIB
PUSHING_CLIENTS: Final = 8
IMAGE_LAYERS: Final = 40


@dataclass(frozen=True, slots=True)
class Scale:
    """The sizes of one run."""

    name: str
    rounds: int
    load_s: int
    repositories: int
    tags_each: int
    large_bytes: int
    tag_counts: tuple[int, ...]
    listings: int
    uploads: int
    zb_part: int  # one in so many of zb's requests
    found: int  # repositories that search is measured with
    questions: int  # of each kind

    @property
    def found_tags(self) -> int:
        """The number of their tags."""
        return self.found * 10

    @property
    def tags(self) -> int:
        """The number of tags over all repositories."""
        return self.repositories * self.tags_each


FULL: Final = Scale(
    name="full",
    rounds=5,
    load_s=4,
    repositories=1000,
    tags_each=10,
    large_bytes=1024 * MIB,
    tag_counts=(100, 10_000, 100_000),
    listings=300,
    uploads=100_000,
    zb_part=1,
    found=100_000,
    questions=1000,
)
QUICK: Final = Scale(
    name="quick",
    rounds=2,
    load_s=2,
    repositories=200,
    tags_each=10,
    large_bytes=256 * MIB,
    tag_counts=(100, 10_000, 100_000),
    listings=100,
    uploads=4_000,
    zb_part=4,
    found=10_000,
    questions=250,
)
