"""Mail handed to a real server: with a certificate that is checked, signed in, and what it refuses is told."""

import asyncio
from pathlib import Path

import pytest

from entrepot.base.mailing import parse_smtp
from entrepot.platform.mail.mail import Mail, MailRefused, MailUndeliverable
from entrepot.platform.mail.smtp import Mailer
from support.mailbox import SENDER, Mode, mailbox

MAIL = Mail("ann@example.com", "Grüße\r\nBcc: all@example.com", "été\n.\nend\n")


@pytest.mark.parametrize("mode", ["starttls", "implicit", "none"])
def test_a_mail_arrives_as_it_was_written(tmp_path: Path, mode: Mode) -> None:
    async def scenario() -> None:
        async with mailbox(tmp_path, mode) as box:
            await Mailer(parse_smtp(box.url), SENDER).send(MAIL)
            (mail,) = box.mails
            assert (mail["To"], mail["Subject"], mail["Bcc"]) == ("ann@example.com", "Grüße Bcc: all@example.com", None)
            assert box.text() == MAIL.text
            assert box.secure == [mode != "none"]

    asyncio.run(scenario())


def test_nothing_is_sent_to_a_server_that_is_another_or_takes_no_tls(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailbox(tmp_path / "one", "starttls", "DNS:elsewhere.example.com") as other, mailbox() as plain:
            unknown = other.url.partition("?")[0]
            for url in (other.url, unknown, plain.url.replace("?tls=none", "")):
                with pytest.raises(MailUndeliverable):
                    await Mailer(parse_smtp(url), SENDER).send(MAIL)
            assert (other.mails, plain.mails) == ([], [])

    asyncio.run(scenario())


def test_what_a_server_says_is_told_and_the_password_is_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailbox() as box, mailbox(tmp_path, "starttls") as guarded:
            box.refuses.add("nobody@example.com")
            with pytest.raises(MailRefused, match="550 no such person"):
                await Mailer(parse_smtp(box.url), SENDER).send(Mail("nobody@example.com", "x", "y"))
            box.busy = True
            with pytest.raises(MailUndeliverable, match="451 come back later") as told:
                await Mailer(parse_smtp(box.url), SENDER).send(MAIL)
            assert not isinstance(told.value, MailRefused)
            wrong = guarded.url.replace("hub:a%20p", "hub:an%20other")
            with pytest.raises(MailUndeliverable, match="535") as refused:
                await Mailer(parse_smtp(wrong), SENDER).send(MAIL)
            assert "other" not in refused.value.message

    asyncio.run(scenario())


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(MailUndeliverable, match="localhost:1"):
        asyncio.run(Mailer(parse_smtp("smtp://localhost:1?tls=none"), SENDER).send(MAIL))
