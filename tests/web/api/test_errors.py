"""The table of the JSON interface's errors: complete, and as the reference lists it."""

from typing import Final

import pytest

from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.domain.access import errors as access
from entrepot.domain.accounts import errors as accounts
from entrepot.domain.audit import errors as audit
from entrepot.domain.plans import errors as plans
from entrepot.domain.registry import errors as registry
from entrepot.spec.oci import names
from entrepot.spec.oci.strict_json import JsonRefused
from entrepot.web.api import bodies
from entrepot.web.api import errors as api
from entrepot.web.api.errors import API_ERRORS, refusal
from entrepot.web.shared import authorization
from entrepot.web.shared import call as calls
from entrepot.web.shared.gate import HostRepeated
from entrepot.web.shared.pace import BodyTooSlow
from entrepot.web.shared.request_ids import RequestIds
from entrepot.web.shared.transfers import TooManyBodies

pytestmark = pytest.mark.fast
# What no request to this interface brings about: pushes of manifests and blobs have their own.
OF_PUSHES: Final = {
    kind for kind in registry.RegistryError.__subclasses__() if kind not in API_ERRORS and kind.__module__ == registry.__name__
}
MET: Final = (access, accounts, audit, plans, registry, bodies, api, authorization, calls)


def errors_of(module: object) -> set[type[EntrepotError]]:
    own = (kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, EntrepotError))
    return {kind for kind in own if kind not in (EntrepotError, registry.RegistryError, plans.PlanningRefused)}


def test_every_error_that_a_request_can_meet_has_a_row_of_its_own_or_of_its_parents() -> None:
    found = set().union(*(errors_of(module) for module in MET))
    found |= {names.NameInvalid, names.NamespaceInvalid, names.TagInvalid, JsonRefused, HostRepeated, BodyTooSlow, TooManyBodies}
    assert len(found) > 40
    assert {kind for kind in found if not set(kind.__mro__) & set(API_ERRORS)} == OF_PUSHES
    assert registry.RepositoryUnknown not in OF_PUSHES


def a_call(path: bytes) -> calls.Call:
    scope = {"type": "http", "method": "GET", "raw_path": path, "headers": [], "client": ("192.0.2.1", 1), "scheme": "http"}

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    return calls.Call(scope, receive, RequestIds())


def test_a_mistake_says_nothing_of_itself() -> None:
    answer = refusal(ValueError("a secret"), a_call(b"/api/v1/user"), as_hub=False)
    assert answer.status == 500
    assert b"secret" not in answer.body


@pytest.mark.parametrize("what", ["network", "pattern of tags", "list of repositories", "lifetime", "robot", "name"])
def test_what_is_wrong_with_a_token_names_its_field(what: str) -> None:
    answer = refusal(accounts.TermsInvalid(what=what, value="x", expected="y"), a_call(b"/api/v1/x"), as_hub=False)
    assert (answer.status, b'"field":' in answer.body) == (422, True)


def test_trouble_says_when_to_try_again() -> None:
    for error, status, after in (
        (Unavailable("the database"), 503, b"5"),
        (accounts.TooManySignIns(17), 429, b"17"),
        (TooManyBodies(limit=1, address="192.0.2.1"), 429, b"5"),
        (access.RegistryReadOnly("moving"), 405, b"60"),
    ):
        answer = refusal(error, a_call(b"/api/v1/x"), as_hub=False)
        assert (answer.status, dict(answer.headers)[b"retry-after"]) == (status, after)
