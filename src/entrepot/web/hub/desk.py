"""What pages ask of accounts: the services behind signing in and behind what is somebody's own."""

from typing import NamedTuple

from entrepot.domain.access.service.identity import Identity
from entrepot.domain.access.service.permits import Permits
from entrepot.domain.access.service.tokens import Tokens
from entrepot.domain.accounts.service.credentials import Credentials
from entrepot.domain.accounts.service.factors import SecondFactors
from entrepot.domain.accounts.service.invitations import Invitations
from entrepot.domain.accounts.service.organisations import Organisations
from entrepot.domain.accounts.service.recovery import Recovery
from entrepot.domain.accounts.service.sessions import Sessions
from entrepot.domain.accounts.service.users import Users
from entrepot.domain.plans.service import Plans
from entrepot.web.hub.office import Office
from entrepot.web.hub.visiting import Visits


class Desk(NamedTuple):
    """The services; those that change something refuse it while the registry is read-only, but for signing in and out."""

    users: Users
    changing: Users
    factors: SecondFactors  # asks for codes
    enrolling: SecondFactors  # turns it on and off
    sessions: Sessions
    tokens: Tokens
    identity: Identity
    organisations: Organisations
    plans: Plans
    credentials: Credentials
    permits: Permits
    invitations: Invitations
    recovery: Recovery
    signup: str  # who may make accounts: open, invite or closed
    mails: bool  # the hub can send mail
    limits_pulls: bool  # an account's plan says how many it may pull
    counts_pulls: bool
    visits: Visits
    interface: bytes  # the document that describes the JSON interface
    office: Office
