"""Under which name the audit log has what commands do."""

import os
import pwd
import socket

from entrepot.domain.audit.model import Author, Origin


def command_line() -> Author:
    """Return who acts by a command: what is known of them is the user of the machine, and which machine it is."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # of a container that knows no names
        user = str(os.getuid())
    text = f"{user}@{socket.gethostname()}".encode("utf-8", "replace").decode()
    return Author("command line", origin=Origin(os_user=text))
