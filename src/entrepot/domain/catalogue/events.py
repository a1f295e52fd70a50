"""What the catalogue asks to be done later."""

from typing import ClassVar

from entrepot.domain.registry.events import CLEAN_UP
from entrepot.platform.jobs import Job


class LookAtImages(Job, frozen=True):
    """Look into images that nobody has looked into."""

    kind: ClassVar[str] = "catalogue.look"
    queue: ClassVar[str] = CLEAN_UP


class RecountStars(Job, frozen=True):
    """Mend the sums of stars, after accounts were deleted, and forget changes that all have followed."""

    kind: ClassVar[str] = "catalogue.recount"
    queue: ClassVar[str] = CLEAN_UP
