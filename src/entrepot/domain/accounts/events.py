"""What accounts ask to be done later, as jobs."""

from typing import ClassVar

from entrepot.domain.accounts.model import Language, Purpose
from entrepot.platform.jobs import Job

MAIL = "mail"


class ForgetFailures(Job, frozen=True):
    """Delete the counts of failed sign-ins that mean nothing any more."""

    kind: ClassVar[str] = "accounts.forget_failures"


class ForgetEnded(Job, frozen=True):
    """Delete sessions that have ended and links that expired long ago."""

    kind: ClassVar[str] = "accounts.forget_ended"


class RotateKeys(Job, frozen=True):
    """Make a new key for the registry's tokens when the one of now is old."""

    kind: ClassVar[str] = "accounts.rotate_keys"


class NoticeTokens(Job, frozen=True):
    """Write to those whose tokens expire soon."""

    kind: ClassVar[str] = "accounts.notice_tokens"


class LinkAsked(Job, frozen=True):
    """Somebody asked for a link by mail: find out whether they get one. So those who ask cannot tell who has an account.

    `subject` is a name or an address of mail; `account` who asks, 0 for nobody in particular.
    """

    kind: ClassVar[str] = "accounts.link_asked"
    queue: ClassVar[str] = MAIL
    purpose: Purpose
    subject: str
    account: int = 0


class SendLink(Job, frozen=True):
    """Draw the secret of a link and send it. The secret is in no row: a second attempt draws another one."""

    kind: ClassVar[str] = "accounts.send_link"
    queue: ClassVar[str] = MAIL
    link: str


class SendNotice(Job, frozen=True):
    """Send a mail without a secret: `notice` names its text (`mails.py`), `facts` what stands in it."""

    kind: ClassVar[str] = "accounts.send_notice"
    queue: ClassVar[str] = MAIL
    to: str
    notice: str
    facts: dict[str, str]
    language: Language = Language.ENGLISH
