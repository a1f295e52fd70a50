"""The `entrepot` command."""

import sys


def main() -> None:
    """Run the command. What serves has no other command's code in memory."""
    if sys.argv[1:2] in (["serve"], ["worker"]):
        from entrepot.cli.running import app  # noqa: PLC0415 - see above
    else:
        from entrepot.cli.commands import app  # noqa: PLC0415
    app()
