"""Pulls of the last six hours against the limit: of which images, from where, and with which tokens."""

from collections.abc import Sequence
from typing import Final

import msgspec

from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import ORGANISATION
from entrepot.domain.registry.model import RecentPulls
from entrepot.web.hub.pages.cards import shown_name
from entrepot.web.hub.pages.publishers import Publisher, Visit, organisation_or_own
from entrepot.web.shared.call import Answer

_MOST: Final = 1000  # sums of five minutes that are looked at
_SHOWN: Final = 100


class Pulled(msgspec.Struct, frozen=True):
    """Pulls of an image from an address with a token, '' for a password; `last_at` is when the last five minutes began."""

    image: str
    source: str
    token: str
    pulls: int
    last_at: int


class PulledPage(msgspec.Struct, frozen=True):
    """Who pulled most; `limit` is how many pulls are allowed in six hours, None for any number.

    Where pulls are not `counted`, there is nothing to show; where they are not `limited`, the limit is not asked.
    """

    of: Publisher
    pulls: int
    limit: int | None
    is_limited: bool
    is_counted: bool
    rows: list[Pulled]
    is_all: bool


async def pulled(at: Visit, name: str) -> Answer:
    """GET /orgs/NAME/pulls and /me/pulls. Raises Denied, Hidden, Unavailable."""
    of = await organisation_or_own(at, Action.MANAGE, name, "pulls")
    found = await at.registry.pulls.recent(name, _MOST)
    account = 0 if of.kind == ORGANISATION else at.visitor.account.id
    limit = await at.desk.plans.pulls(account, name)
    rows = _added_up(found)
    shown = PulledPage(
        of,
        await at.registry.pulls.count(name),
        limit,
        at.desk.limits_pulls,
        at.desk.counts_pulls,
        rows[:_SHOWN],
        len(rows) <= _SHOWN and len(found) < _MOST,
    )
    return at.page("pulled.html", shown)


def _added_up(found: Sequence[RecentPulls]) -> list[Pulled]:
    """Return sums of all six hours, most pulls first."""
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for each in found:
        key = (shown_name(each.repository), each.source, each.token or each.credential)
        pulls, last_at = sums.get(key, (0, 0))
        sums[key] = (pulls + each.pulls, max(last_at, each.began_at))
    rows = [Pulled(*key, *value) for key, value in sums.items()]
    return sorted(rows, key=lambda row: (-row.pulls, row.image, row.source, row.token))
