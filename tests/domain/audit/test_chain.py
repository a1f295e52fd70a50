"""What a digest covers, and what the cut of an address leaves."""

import hashlib
import json

import msgspec
import pytest

from entrepot.domain.audit.chain import START, fits_its_mark, linked, marked
from entrepot.domain.audit.model import Act, Event, done
from entrepot.domain.audit.service.reading import as_json
from entrepot.domain.audit.service.upkeep import month_before

pytestmark = pytest.mark.fast


def event(address: str = "192.0.2.77") -> Event:
    at = marked(address)
    about = ("user.add", "ann", "ann", "done", '{"é":1}')
    return Event(7, None, 1_700_000_000_000_000, "ann", "id", "", at.address, at.network, *about, at.salt, at.mark, None)


@pytest.mark.parametrize("field", ["happened_at", "actor", "credential", "os_user", "network", "act", "namespace", "target"])
def test_a_digest_covers_the_field(field: str) -> None:
    row = event()
    other = msgspec.structs.replace(row, **{field: 1 if field == "happened_at" else "other"})
    assert linked(START, 1, other) != linked(START, 1, row)


def test_a_digest_covers_outcome_details_mark_position_and_what_stands_before() -> None:
    row = event()
    digests = {
        linked(START, 1, row),
        linked(START, 2, row),
        linked(b"1" * 32, 1, row),
        linked(START, 1, msgspec.structs.replace(row, outcome="refused")),
        linked(START, 1, msgspec.structs.replace(row, details="{}")),
        linked(START, 1, msgspec.structs.replace(row, address_mark=b"")),
    }
    assert len(digests) == 6


def test_an_address_that_is_cut_changes_no_digest_and_another_one_does_not_fit() -> None:
    row = event()
    cut = msgspec.structs.replace(row, address=None, address_salt=None)
    assert linked(START, 1, cut) == linked(START, 1, row)
    assert fits_its_mark(row)
    assert fits_its_mark(cut)
    assert cut.shown_address == "192.0.2.0/24"
    for forged in ("192.0.2.78", "198.51.100.1"):
        assert not fits_its_mark(msgspec.structs.replace(row, address=forged))


def test_the_mark_of_the_same_address_is_another_each_time() -> None:
    assert marked("192.0.2.77").mark != marked("192.0.2.77").mark
    assert marked("") == marked("")
    assert marked("2001:db8:1:2::7").network == "2001:db8:1::/48"


def test_whoever_has_an_exported_line_can_compute_its_digest_as_the_page_says() -> None:
    row = event()
    line = json.loads(msgspec.json.encode(as_json(row)))
    covered = [
        1,
        *(line[name] for name in ("happened_at", "actor", "credential", "os_user", "network", "address_mark", "act")),
        *(line[name] for name in ("namespace", "target", "outcome")),
        json.dumps(line["details"], separators=(",", ":"), ensure_ascii=False),
    ]
    text = json.dumps(covered, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(bytes(32) + text.encode()).digest() == linked(START, 1, row)


@pytest.mark.parametrize(("target", "namespace"), [("ann", "ann"), ("acme/app/x:v1", "acme"), ("", "")])
def test_a_target_begins_with_its_namespace(target: str, namespace: str) -> None:
    assert done(Act.TAG_DELETE, target).namespace == namespace


@pytest.mark.parametrize(
    ("months", "expected"),
    [(0, 1_793_491_200), (1, 1_790_812_800), (10, 1_767_225_600), (11, 1_764_547_200), (24, 1_730_419_200), (1200, 26_265_600)],
)
def test_whole_months_are_counted_from_the_first_of_the_current_one(months: int, expected: int) -> None:
    now = 1_795_992_764_000_000  # 29 November 2026
    assert month_before(now, months) == expected * 1_000_000
