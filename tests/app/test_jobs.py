"""The engine of a job process knows the jobs of mail, and makes those that are due only where mail can be sent."""

import asyncio
from pathlib import Path

import msgspec

from entrepot.app.jobs import engine
from entrepot.base.settings import Settings
from support.mailbox import SENDER, mailbox
from support.parts import parts, prepared


async def scheduled(settings: Settings) -> set[str]:
    """Return the names of what a job process makes by itself."""
    async with parts(settings) as whole:
        return {each.name for each in engine(settings, whole, 4)._schedules}


def test_a_job_process_sends_mail(tmp_path: Path) -> None:
    place = prepared(tmp_path / "data", "")

    async def scenario() -> None:
        async with mailbox() as box:
            settings = msgspec.structs.replace(place, access="accounts", smtp=box.url, mail_from=SENDER)
            async with parts(settings) as whole:
                at_work = engine(settings, whole, 4)
                working = asyncio.create_task(at_work.run())
                await whole.accounts.people.invitations.invite_user("ann@example.com", "bob", by_administrator=True)
                await asyncio.wait_for(box.came.wait(), 30)
                at_work.stop()
                await working
            assert box.mails[0]["To"] == "ann@example.com"
            mailing, silent = await scheduled(settings), await scheduled(msgspec.structs.replace(settings, smtp=""))
            assert mailing - silent == {"notice-tokens"}
            assert silent - await scheduled(msgspec.structs.replace(settings, smtp="", access="open")) == {
                "forget-failures",
                "forget-ended",
                "rotate-keys",
            }

    asyncio.run(scenario())
