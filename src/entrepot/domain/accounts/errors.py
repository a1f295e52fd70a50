"""What can go wrong with accounts, organisations and credentials."""

from entrepot.base.errors import EntrepotError, Unavailable


class NameTaken(EntrepotError):
    """A user or an organisation has, or once had, that name."""

    summary = "the name '{name}' is taken: choose another one"


class EmailTaken(EntrepotError):
    """Another account has that address."""

    summary = "another account has the address '{email}'"


class EmailInvalid(EntrepotError):
    """The text is no address of mail."""

    summary = "'{email}' is not an e-mail address"


class AccountUnknown(EntrepotError):
    """There is no user of that name."""

    summary = "there is no user '{name}'"


class OrganisationUnknown(EntrepotError):
    """There is no organisation of that name."""

    summary = "there is no organisation '{name}'"


class TeamUnknown(EntrepotError):
    """The organisation has no such team."""

    summary = "the organisation '{organisation}' has no team '{name}'"


class TeamExists(EntrepotError):
    """The organisation has a team of that name."""

    summary = "the organisation '{organisation}' has a team '{name}' already"


class MemberUnknown(EntrepotError):
    """The user is not in the organisation."""

    summary = "'{name}' is no member of '{organisation}': add them first"


class LastOwner(EntrepotError):
    """Nobody would own the organisation any more."""

    summary = "'{name}' is the last owner of '{organisation}': make somebody else an owner first"


class LastAdministrator(EntrepotError):
    """Nobody would administer the hub any more."""

    summary = "'{name}' is the last administrator who can sign in: make somebody else one first"


class CredentialUnknown(EntrepotError):
    """There is no such token or robot."""

    summary = "there is no token '{id}'"


class TermsInvalid(EntrepotError):
    """What a token is to allow cannot be read."""

    summary = "the token's {what} is '{value}': expected {expected}"


class RobotExists(EntrepotError):
    """The namespace has a robot of that name."""

    summary = "there is a robot '{name}' already: revoke it first"


class PasswordTooShort(EntrepotError):
    """The password could be found by trying."""

    summary = "the password has {length} characters: at least {least} are needed, and a sentence of several words is a good one"


class PasswordTooLong(EntrepotError):
    """The password is longer than anybody types."""

    summary = "the password has more than {most} characters"


class PasswordKnown(EntrepotError):
    """The password is one that those who try passwords try first."""

    summary = "this password is one of those that are tried first{because}: choose another one"


class SignInRefused(EntrepotError):
    """Name and secret do not belong together; which of the two is wrong is not told."""

    summary = "the user name or the password is wrong, or the token was revoked or has expired"


class TooManySignIns(Unavailable):
    """So many sign-ins failed that no more are tried for a while."""

    summary = "too many sign-ins have failed: try again in {retry_after_s} seconds"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("signing in", retry_after_s=retry_after_s)
