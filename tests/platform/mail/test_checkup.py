"""The doctor's line about mail, of a real server."""

import asyncio
from pathlib import Path

import pytest

from entrepot.base.findings import Finding
from entrepot.base.mailing import parse_smtp
from entrepot.platform.mail.checkup import examine_mail
from entrepot.platform.mail.smtp import Mailer
from support.mailbox import SENDER, mailbox

URL = "https://hub.example.com"


@pytest.mark.parametrize(
    ("change", "is_public", "verdict", "word"),
    [
        (("", ""), True, "ok", "lets us in"),
        (("", ""), False, "warning", URL),
        (("hub:a%20p", "hub:another"), True, "error", "535"),
        (("?ca=", "?ca=/nowhere"), True, "error", "No such file"),
    ],
)
def test_the_server_is_spoken_to_and_nothing_is_sent(
    tmp_path: Path,
    change: tuple[str, str],
    is_public: bool,  # noqa: FBT001 - a column of the table
    verdict: str,
    word: str,
) -> None:
    async def scenario() -> Finding:
        async with mailbox(tmp_path, "starttls") as box:
            found = await examine_mail(Mailer(parse_smtp(box.url.replace(*change)), SENDER), URL, is_public=is_public)
            assert box.mails == []
            return found

    found = asyncio.run(scenario())
    assert (found.check, found.verdict, word in found.told) == ("mail", verdict, True), found
