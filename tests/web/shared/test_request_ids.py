"""Ids of requests: what is taken from a client, and that no two requests get the same."""

import pytest

from entrepot.web.shared.request_ids import RequestIds

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("given", [b"a", b"4bf92f3577b34da6a3ce929d0e0e4736", b"01-A_b.c", b"x" * 64])
def test_a_short_token_is_kept(given: bytes) -> None:
    assert RequestIds().of(given) == given


@pytest.mark.parametrize("given", [None, b"", b"x" * 65, b"a b", b"a\nb", b"a\n", b'"', b"a=b", b"\xff", b"a;b", b"<b>"])
def test_anything_else_is_replaced_by_a_token_of_our_own(given: bytes | None) -> None:
    ids = RequestIds()
    made = ids.of(given)
    assert made != given
    assert ids.of(made) == made


def test_no_two_requests_of_any_process_get_the_same() -> None:
    processes = [RequestIds() for _ in range(20)]
    assert len({ids.of(None) for ids in processes for _ in range(50)}) == 1000
