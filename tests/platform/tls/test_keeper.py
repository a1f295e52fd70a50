"""What is said about a certificate's end, and what is looked at again."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entrepot.platform.tls.keeper import Keeper, told_of
from entrepot.platform.tls.pairs import CertificateUnusable, Pair, load
from support.certificates import Authority


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (timedelta(days=14, minutes=1), ""),
        (timedelta(days=13, hours=23), "warning: the certificate ends soon\n"),
        (timedelta(seconds=-1), "warning: the certificate has expired\n"),
    ],
)
def test_readiness_warns_from_fourteen_days_before(left: timedelta, told: str) -> None:
    first, _, rest = told_of(datetime.now(UTC) + left).partition("\n")
    assert re.fullmatch(r"certificate valid until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first)
    assert rest == told


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    authority = Authority.make(tmp_path_factory.mktemp("authority"))
    past = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
    return [load(*authority.sign("one")), load(*authority.sign("two")), load(*authority.sign("past", dates=past))]


class Files:
    """What the keeper reads, and how often the server was asked."""

    def __init__(self, pair: Pair) -> None:
        self.pair: Pair | None = pair
        self.unusable: bytes = b""
        self.asked = 0

    def read(self) -> Pair:
        if self.pair is None:
            raise CertificateUnusable(file="f", reason="gone")
        return self.pair

    def refusal(self, pem: bytes) -> str:
        self.asked += 1
        return "no" if pem == self.unusable else ""


def _look(keeper: Keeper, until: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not until():
        assert time.monotonic() < end
        keeper.look_now()
        time.sleep(0.02)


def test_each_reason_is_told_once_and_what_was_in_force_stays(pairs: list[Pair], caplog: pytest.LogCaptureFixture) -> None:
    files = Files(pairs[0])
    keeper = Keeper(files.read, files.refusal, source="here")
    keeper.start()
    files.pair, files.unusable = pairs[1], pairs[1].pem
    _look(keeper, lambda: "certificate_refused" in caplog.messages)
    _look(keeper, lambda: files.asked > 5)
    assert caplog.messages.count("certificate_refused") == 1
    assert keeper.newer(1) is None
    files.pair = None
    _look(keeper, lambda: caplog.messages.count("certificate_refused") == 2)
    files.pair, files.unusable = pairs[1], b""
    files.pair = pairs[2]
    _look(keeper, lambda: caplog.messages.count("certificate_refused") == 3)
    assert keeper.newer(1) is None


def test_an_expired_one_is_told_at_the_start_and_replaced_by_a_valid_one(
    pairs: list[Pair], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    files = Files(pairs[2])
    keeper = Keeper(files.read, files.refusal, source="here")
    keeper.start()
    files.pair = pairs[0]
    _look(keeper, lambda: keeper.newer(1) is not None)
    assert keeper.newer(1) == (2, pairs[0].pem)
    assert "certificate_invalid" in caplog.messages


def test_there_must_be_something_to_begin_with(pairs: list[Pair], tmp_path: Path) -> None:
    with pytest.raises(CertificateUnusable, match="No such file"):
        Keeper(lambda: load(tmp_path / "none"), lambda _: "", source="here")
    with pytest.raises(CertificateUnusable, match=r"the server cannot use the certificate \(why\)"):
        Keeper(lambda: pairs[0], lambda _: "why", source="here")
