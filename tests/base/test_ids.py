"""Identifiers are of the promised form and never the same."""

import uuid

import pytest

from entrepot.base.ids import new_token, new_upload_id

pytestmark = pytest.mark.fast


def test_an_upload_is_named_by_a_random_uuid() -> None:
    drawn = [new_upload_id() for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert all(str(uuid.UUID(each)) == each and uuid.UUID(each).version == 4 for each in drawn)


def test_a_token_is_16_random_bytes_in_hexadecimal() -> None:
    drawn = [new_token() for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert all(len(bytes.fromhex(each)) == 16 for each in drawn)
