"""What can go wrong when permission is asked for."""

from entrepot.base.errors import EntrepotError


class Denied(EntrepotError):
    """The actor may not do this."""

    summary = "{actor} may not {action} in {repository}"


class RegistryReadOnly(EntrepotError):
    """The administrator lets nobody change anything at the moment."""

    summary = "this registry is read-only at the moment ({reason}): pulls go on, and what was refused can be tried again later"

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason or "its administrator gave no reason")
