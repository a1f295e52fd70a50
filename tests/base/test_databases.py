"""The address of a database: what is the driver's, and what is ours."""

import pytest

from entrepot.base import settings
from entrepot.base.databases import PoolerUnknown, Where, parse_database

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("text", "url", "is_pooled"),
    [
        ("postgresql://h/n", "postgresql://h/n", False),
        ("postgresql://u:p@h,i:1/n?sslmode=require", "postgresql://u:p@h,i:1/n?sslmode=require", False),
        ("postgresql://h/n?pooler=transaction", "postgresql://h/n", True),
        ("postgresql://h/n?pooler=transaction&sslmode=require", "postgresql://h/n?sslmode=require", True),
        ("postgresql://h/n?a=b&pooler=transaction&c=d%26", "postgresql://h/n?a=b&c=d%26", True),
        ("postgresql://h/n?poolers=3", "postgresql://h/n?poolers=3", False),
        ("", "", False),
    ],
)
def test_only_our_option_is_taken_out(text: str, url: str, *, is_pooled: bool) -> None:
    assert parse_database(text) == Where(url, is_pooled)


@pytest.mark.parametrize("option", ["pooler=session", "pooler=", "pooler", "pooler=transaction&pooler=statement"])
def test_another_kind_of_pooler_is_refused(option: str) -> None:
    with pytest.raises(PoolerUnknown):
        parse_database(f"postgresql://h/n?{option}")


def test_the_refusal_says_what_can_be_and_shows_no_password() -> None:
    with pytest.raises(settings.SettingRefused) as refused:
        settings.find({"database": "postgresql://u:hunter2@h/n?pooler=session"}, {}, None)
    assert "its option pooler can only be transaction" in refused.value.message
    assert "hunter2" not in refused.value.message
