"""What can go wrong with the audit log."""

from entrepot.base.errors import EntrepotError


class ActUnknown(EntrepotError):
    """Nothing of that name is ever recorded."""

    summary = "there is no act '{act}': the nearest one is {nearest}, and docs/audit.md lists them all"
