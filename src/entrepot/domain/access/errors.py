"""What can go wrong when permission is asked for."""

from entrepot.base.errors import EntrepotError


class Denied(EntrepotError):
    """The actor may not do this, whoever they sign in as; they may know that it is there."""

    summary = "{actor} may not {action} in {repository}"


class PolicyRefused(Denied):
    """A rule that has nothing to do with who asks."""

    summary = "{reason}"


class Unproven(EntrepotError):
    """Whoever asks must say who they are, or somebody else might: whether there is anything to be seen is not told.

    `scope` is what to ask a token for, such as `repository:team/app:pull`, empty for none; `repeated` that somebody is signed in.
    """

    summary = "sign in to {action} {repository}: it does not exist, or is not for everyone"

    def __init__(self, *, action: str, repository: str, scope: str, repeated: bool = False) -> None:
        super().__init__(action=action, repository=repository)
        self.scope = scope
        self.repeated = repeated


class Hidden(EntrepotError):
    """There is nothing of that name, or nothing that the actor may know of: which of the two is not told."""

    summary = "there is no {what} '{name}', or none that you may see"

    def __init__(self, what: str, name: str) -> None:
        super().__init__(what=what, name=name)


class TokenRefused(EntrepotError):
    """A bearer token that was not issued here, is for something else, has expired, or was revoked."""

    summary = "the token is not valid here, or not any more: sign in again"


class RegistryReadOnly(EntrepotError):
    """The administrator lets nobody change anything at the moment."""

    summary = "this registry is read-only at the moment ({reason}): pulls go on, and what was refused can be tried again later"

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason or "its administrator gave no reason")
