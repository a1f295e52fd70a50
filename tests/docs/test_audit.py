"""docs/audit.md names every act that is recorded, and no other."""

import re

import pytest

from entrepot.domain.audit.model import Act
from support.pages import Page

pytestmark = pytest.mark.fast
_PAGE = Page("audit.md")


def test_every_act_is_listed() -> None:
    listed = re.findall(r"`([a-z.-]+)`", "".join(re.findall(r"^\| (`[^|]+) \|", _PAGE.section("What is recorded"), re.MULTILINE)))
    assert sorted(listed) == sorted(Act)
