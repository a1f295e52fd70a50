"""What pages ask of the catalogue and of search: everybody may look around, whoever has an account gives stars."""

from typing import NamedTuple

from entrepot.domain.catalogue.service.kinds import Kinds
from entrepot.domain.catalogue.service.shelves import Shelves
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.domain.search.service.searching import Searching


class Shop(NamedTuple):
    """The services; those that change something refuse it while the registry is read-only."""

    searching: Searching
    shelves: Shelves
    kinds: Kinds
    stars: Stars
