"""What people do with accounts: signing in with a browser, second factors, invitations, getting back in, and mail."""

from typing import Final

from entrepot.base.mailing import parse_smtp
from entrepot.base.settings import Settings
from entrepot.domain.accounts.model import Hub
from entrepot.domain.accounts.service.factors import SecondFactors
from entrepot.domain.accounts.service.invitations import Invitations
from entrepot.domain.accounts.service.organisations import Seat
from entrepot.domain.accounts.service.own import OwnAccounts
from entrepot.domain.accounts.service.post import Post, Sender
from entrepot.domain.accounts.service.recovery import Recovery
from entrepot.domain.accounts.service.sessions import Sessions
from entrepot.domain.accounts.service.users import Users
from entrepot.domain.audit.model import HUB, Author
from entrepot.platform.db.database import Database
from entrepot.platform.secrets.rotation import KeyFile

_EVERYWHERE: Final = ("0.0.0.0", "::", "*")  # noqa: S104 - what an address is compared with


class People:
    """The services of all that."""

    def __init__(
        self, db: Database, settings: Settings, users: Users, keys: KeyFile, by: Author = HUB, seat: Seat | None = None
    ) -> None:
        hub = Hub(hub_url(settings), settings.signup, bool(settings.smtp))
        self.factors = SecondFactors(db, keys, by)
        self.sessions = Sessions(db, users, self.factors, by)
        self.invitations = Invitations(db, users, hub, seat, by)
        self.recovery = Recovery(db, users, hub)
        self.own = OwnAccounts(db, users, self.factors)
        self.post = Post(db, hub, _mailer(settings) if settings.smtp else None)


def hub_url(settings: Settings) -> str:
    """Return the address that links begin with: the public one, else the one that is listened on."""
    if settings.public_url:
        return settings.public_url
    host, port = settings.host_and_port
    shown = "localhost" if host in _EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls else 'http'}://{shown}:{port}"


def _mailer(settings: Settings) -> Sender:
    from entrepot.platform.mail.smtp import Mailer  # noqa: PLC0415 - the standard library's code for it takes 5 MB

    return Mailer(parse_smtp(settings.smtp), settings.mail_from)
