"""Who may do what: the table for each mode of access."""

import pytest

from entrepot.domain.access.errors import Denied
from entrepot.domain.access.model import ALLOWED, ANYONE, Access, Action, Actor

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("action", Action)
def test_with_open_access_anyone_may_do_everything(action: Action) -> None:
    assert Access("open").may(ANYONE, action)
    Access("open").require(ANYONE, action, "demo/hello")


@pytest.mark.parametrize("action", Action)
def test_a_role_that_is_not_in_the_table_may_do_nothing(action: Action) -> None:
    stranger = Actor(name="eve", role="unheard-of")
    assert not Access("open").may(stranger, action)
    with pytest.raises(Denied) as denied:
        Access("open").require(stranger, action, "demo/hello")
    assert denied.value.message == f"eve may not {action.value} in demo/hello"


def test_open_is_the_only_mode_and_anyone_its_only_role() -> None:
    assert {"open": {"anyone": frozenset(Action)}} == ALLOWED
