"""What can go wrong when permission is asked for."""

from entrepot.base.errors import EntrepotError


class Denied(EntrepotError):
    """The actor may not do this."""

    summary = "{actor} may not {action} in {repository}"
