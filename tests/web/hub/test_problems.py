"""The table of errors that have a page: what a reader can meet has a row, and a mistake of ours tells nothing."""

import importlib
import pkgutil
from typing import Final

import pytest

import entrepot.web.hub
from entrepot.base.errors import EntrepotError
from entrepot.domain.access import errors as access
from entrepot.domain.registry import errors as registry
from entrepot.spec.oci import digest, names
from entrepot.web.hub.pages.problems import STATUSES

pytestmark = pytest.mark.fast
# What a page that only reads can meet of the parts below it.
READING: Final = (
    *(registry.RepositoryUnknown, registry.ManifestUnknown, registry.BlobUnknown),
    *(names.NameInvalid, names.TagInvalid, digest.DigestInvalid),
    *(access.Unproven, access.Hidden, access.Denied, access.TokenRefused),
)


def own() -> set[type[EntrepotError]]:
    """Return the errors that the hub itself raises."""
    for module in pkgutil.walk_packages(entrepot.web.hub.__path__, "entrepot.web.hub."):
        importlib.import_module(module.name)
    found: set[type[EntrepotError]] = set()
    waiting: list[type[EntrepotError]] = [EntrepotError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("entrepot.web.hub."):
            found.add(kind)
    return found


def test_every_error_of_a_page_has_a_status_of_its_own_or_of_its_parents() -> None:
    assert own()
    without = {kind for kind in {*own(), *READING} if not set(kind.__mro__) & set(STATUSES)}
    assert without == set()


def test_what_is_hidden_and_what_is_absent_have_the_same_status() -> None:
    told = {next(STATUSES[parent] for parent in kind.__mro__ if parent in STATUSES) for kind in (*READING[:3], access.Unproven)}
    assert told == {404}
