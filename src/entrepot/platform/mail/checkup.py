"""What the doctor says about mail."""

from typing import Final

from entrepot.base.findings import Finding, error, ok, warning
from entrepot.platform.mail.mail import MailUndeliverable
from entrepot.platform.mail.smtp import Mailer

_CHECK: Final = "mail"


async def examine_mail(mailer: Mailer, links_begin: str, *, is_public: bool) -> Finding:
    """Speak to the server, and send nothing; `is_public` tells whether the links in mails lead here from elsewhere."""
    try:
        await mailer.greet()
    except MailUndeliverable as refused:
        return error(_CHECK, refused.message, "correct --smtp; then try `entrepot mail test ADDRESS`")
    if not is_public:
        return warning(_CHECK, f"links in mails begin with {links_begin}", "say with --public-url what clients know this hub by")
    return ok(_CHECK, "the server answers and lets us in")
