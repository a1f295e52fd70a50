"""What the image's HEALTHCHECK runs: ends with 0 when the server of this container answers, else says why and ends with 1.

It asks whether the process lives (/healthz) and not whether it can serve: while a database is away nothing is won by starting
a container again. Of the settings it knows those that stand in the container's variables.
"""

import http.client
import os
import ssl
import sys
from typing import Final

_LIMIT_S: Final = 4.0
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never listened on


def main() -> int:
    """Ask once."""
    host, _, port = os.environ.get("ENTREPOT_LISTEN", "127.0.0.1:5000").rpartition(":")
    host = host.strip("[]")
    where = (_EVERYWHERE.get(host, host), int(port))
    connection = http.client.HTTPConnection(*where, timeout=_LIMIT_S)
    if os.environ.get("ENTREPOT_TLS"):
        # Whether the server lives does not depend on who signed its certificate, nor for which name.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(*where, timeout=_LIMIT_S, context=context)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except OSError as error:
        print(f"{where[0]}:{where[1]} does not answer: {error}")
        return 1
    print(f"{where[0]}:{where[1]} answers {status}")
    return 0 if status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
