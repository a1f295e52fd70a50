"""The catalogue's jobs."""

from typing import Final

import msgspec

from entrepot.domain.catalogue.events import LookAtImages, RecountStars
from entrepot.domain.catalogue.service.looking import Looking
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.domain.registry.service.changes import Changes
from entrepot.platform.jobs import Context, Job, Kind, Schedule

_DAILY_S: Final = 24 * 3600


class Seen(msgspec.Struct, frozen=True):
    """Up to which manifest was looked."""

    after: int = 0


class CatalogueJobs:
    """The handlers, one for each kind of job."""

    def __init__(self, looking: Looking, stars: Stars, changes: Changes) -> None:
        self._looking = looking
        self._stars = stars
        self._changes = changes

    def kinds(self) -> list[Kind]:
        """List what can be done."""
        return [Kind(LookAtImages, self.look), Kind(RecountStars, self.recount)]

    def schedules(self) -> list[Schedule]:
        """List what is done by itself."""
        return [
            Schedule("look-at-images", _DAILY_S, LookAtImages()),
            Schedule("recount-stars", _DAILY_S, RecountStars()),
        ]

    async def look(self, context: Context, _job: Job) -> None:
        """Look into one image after the other; a run that was broken off goes on behind the last ones."""
        seen = context.checkpoint(Seen) or Seen()
        while (after := await self._looking.look_behind(seen.after)) is not None:
            seen = Seen(after)
            await context.save(seen)
            await context.rest()

    async def recount(self, context: Context, _job: Job) -> None:
        """Mend some sums at a time."""
        after: int | None = 0
        while after is not None:
            after = await self._stars.recount(after)
            await context.rest()
        await context.progress(await self._changes.forget(), note="changes forgotten")
