"""TOTP: the vectors of RFC 4226 and RFC 6238, and which steps a code is taken for."""

from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest

from entrepot.spec.otp.totp import SECRET_BYTES, STEP_S, address, code, new_secret, step_of, written

pytestmark = pytest.mark.fast

SECRET: Final = b"12345678901234567890"
HOTP: Final = ("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489")
TOTP: Final = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}


@pytest.mark.parametrize(("counter", "expected"), list(enumerate(HOTP)))
def test_the_codes_are_those_of_rfc_4226(counter: int, expected: str) -> None:
    assert code(SECRET, counter) == expected


@pytest.mark.parametrize(("now_s", "expected"), TOTP.items())
def test_the_codes_are_those_of_rfc_6238(now_s: int, expected: str) -> None:
    assert code(SECRET, now_s // STEP_S, digits=8) == expected


@pytest.mark.parametrize(("away", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_taken_one_step_early_or_late(away: int, taken: bool) -> None:  # noqa: FBT001 - a column of the table
    now_s = 1234567890
    step = now_s // STEP_S + away
    assert step_of(SECRET, code(SECRET, step), now_s) == (step if taken else None)


@pytest.mark.parametrize("given", ["", "12345", "1234567", "abcdef", "٣٤٥٦٧٨", "\ud800"])
def test_what_is_no_code_is_of_no_step(given: str) -> None:
    assert step_of(SECRET, given, 0) is None


def test_an_app_reads_the_secret_from_the_address() -> None:
    parts = urlsplit(address(SECRET, "Entrepot", "ann"))
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/Entrepot%3Aann")
    query = parse_qs(parts.query)
    assert query["secret"] == [written(SECRET)] == ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]
    assert (query["issuer"], query["digits"], query["period"]) == (["Entrepot"], ["6"], ["30"])


def test_secrets_are_as_long_as_the_hash_and_differ() -> None:
    assert len({new_secret() for _ in range(10)}) == 10
    assert len(new_secret()) == SECRET_BYTES
