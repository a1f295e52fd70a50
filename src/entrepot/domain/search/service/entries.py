"""From repositories to entries of the index."""

import math
import re
from collections.abc import Sequence
from typing import Final

from entrepot.domain.catalogue.model import Image, Kind, Shelved, Variant
from entrepot.domain.catalogue.service.reading import Place, inside, shelved, titles
from entrepot.domain.search.queries import documents
from entrepot.domain.search.queries.documents import Written
from entrepot.domain.search.service.sights import PUBLIC, of_namespace, of_repository
from entrepot.domain.search.words import fold, words_of_name
from entrepot.platform.db.database import Reader
from entrepot.platform.search.model import Entry
from entrepot.spec.oci.names import LIBRARY

_OFFICIAL_WEIGHS: Final = 1.5
_TRUSTED_WEIGHS: Final = 1.2
_ARCHIVED_WEIGHS: Final = 0.5
_MARK: Final = re.compile(r"[a-z]+:[a-z0-9._-]+")
_LONGEST_TEXT: Final = 10_000  # characters of a README that are looked through
_NUMBERS: Final = re.compile(r"[0-9_]+")
_SAID: Final = (
    *(f"org.opencontainers.image.{name}" for name in ("title", "description", "vendor", "source")),
    "org.label-schema.description",
    "maintainer",
)


async def entries(db: Reader, ids: Sequence[int]) -> list[Entry]:
    """Return the entries of those of these repositories that are listed."""
    found = await documents.written(db, ids)
    places = [Place(each.id, each.namespace, each.name) for each in found]
    shelves = await shelved(db, places)
    contents = await inside(db, await documents.shown(db, [each.id for each in found]))
    called = await titles(db)
    made = []
    for each in found:
        shelf = shelves[each.id]
        said = " ".join(called.get(name, "") for name in shelf.categories)
        made.append(_entry(each, shelf, said, *contents.get(each.id, ([], None))))
    return made


def _entry(of: Written, shelf: Shelved, said: str, held: Sequence[Variant], image: Image | None) -> Entry:
    owner, _, path = of.name.partition("/")
    labels = " ".join(image.labels.get(name, "") for name in _SAID) if image else ""
    is_official = owner == LIBRARY
    return Entry(
        id=of.id,
        seen_by=(PUBLIC,) if of.is_public else (of_namespace(of.namespace), of_repository(of.id)),
        exact=(path, of.name) if is_official else (of.name,),
        names=words_of_name(path),
        owners=words_of_name(owner),
        # The words of the name too, which are found in other forms there; numbers have none.
        about=fold(f"{of.description} {labels} {_NUMBERS.sub(' ', path)}").strip(),
        text=fold(f"{of.readme[:_LONGEST_TEXT]} {said}").strip(),
        marks=_marks(shelf, held),
        pulls=of.pulls,
        stars=of.stars,
        updated_at=of.updated_at,
        weight=_weight(of, shelf.kind),
    )


def _marks(shelf: Shelved, held: Sequence[Variant]) -> tuple[str, ...]:
    marks = [f"kind:{shelf.kind.value}", *(f"category:{each}" for each in shelf.categories)]
    for variant in held:
        system, _, architecture = variant.platform.partition("/")
        marks.append(f"os:{system.lower()}")
        if architecture:
            marks.append(f"arch:{architecture.partition('/')[0].lower()}")
    # What was pushed says the last ones: as written into the index, a blank in one would make two of it.
    return tuple(dict.fromkeys(each for each in marks if _MARK.fullmatch(each)))


def _weight(of: Written, kind: Kind) -> float:
    """Return by how much a repository counts for more than others that say the same: by its use, and by whose it is."""
    weight = 1 + math.log10(1 + of.pulls) / 4 + math.log10(1 + of.stars) / 3
    if kind is Kind.OFFICIAL:
        weight *= _OFFICIAL_WEIGHS
    elif kind is not Kind.COMMUNITY:
        weight *= _TRUSTED_WEIGHS
    return weight * _ARCHIVED_WEIGHS if of.archived_at is not None else weight
