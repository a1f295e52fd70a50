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


class TooMany(EntrepotError):
    """There are as many of something as are kept."""

    summary = "{owner} has {most} {what} already, and no more are kept: remove one first"


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


class PasswordNotEnough(SignInRefused):
    """The password is right, and two-factor sign-in is on: a client of the registry cannot be asked for a code."""

    summary = (
        "two-factor sign-in is on for this account, so that its password is not taken here: make a token and sign in with that "
        "in place of the password"
    )


class CodeNeeded(EntrepotError):
    """The password is right, and a code is needed beside it."""

    summary = "two-factor sign-in is on: give the code that your app shows now, or a recovery code that was not used yet"


class CodeRefused(EntrepotError):
    """The code is none of the second factor's, or was used before."""

    summary = "the code is wrong or was used before: wait for the next one that your app shows"


class SecondFactorThere(EntrepotError):
    """Two-factor sign-in is on already."""

    summary = "two-factor sign-in is on for '{name}' already: turn it off first"


class SecondFactorMissing(EntrepotError):
    """Two-factor sign-in is not on, or was not begun."""

    summary = "two-factor sign-in is not on for '{name}'"


class SessionUnknown(EntrepotError):
    """There is no such session, or it has ended."""

    summary = "there is no session '{id}', or it has ended"


class LinkInvalid(EntrepotError):
    """A link that nobody was given, or that is not valid any more; which of the two is not told."""

    summary = "the link is not valid: it was used, was withdrawn, or has expired. Ask for another one"


class InvitationUnknown(EntrepotError):
    """There is no such invitation, or it was used or revoked."""

    summary = "there is no open invitation '{id}': `entrepot invitation list` shows those that there are"


class SignUpClosed(EntrepotError):
    """Whoever asks may not make an account here."""

    summary = "nobody makes an account here without an invitation: ask an administrator for one"


class AddressMissing(EntrepotError):
    """An address is needed to send mail to."""

    summary = "an account here begins with an address of mail: give one, and follow the link that is sent there"


class LanguageUnknown(EntrepotError):
    """Nothing is written in that language."""

    summary = "nothing is written in the language '{language}': expected {expected}"


class TooManySignIns(Unavailable):
    """So many sign-ins failed that no more are tried for a while."""

    summary = "too many sign-ins have failed: try again in {retry_after_s} seconds"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("signing in", retry_after_s=retry_after_s)


class TooManyAsked(TooManySignIns):
    """Something that costs a mail or an account was asked for so often that it is not done for a while."""

    summary = "this was asked for too often: try again in {retry_after_s} seconds"
