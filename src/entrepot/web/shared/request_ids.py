"""The name under which a request stands in the log and in its answer's X-Request-Id.

An id is a prefix that this process drew and a number: unlike a random one for each request it costs well under a microsecond,
so that every request has one and nobody has to know which of them deserve it.
"""

import itertools
import os
import re
from typing import Final

HEADER: Final = b"x-request-id"
# What a client or a balancer sent is copied into the log and the answer: nothing that needs care there, and not much of it.
_SANE: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_PREFIX_BYTES: Final = 6


class RequestIds:
    """Gives out the ids of one process; to be made after the fork, or all workers would give out the same."""

    def __init__(self) -> None:
        self._prefix = os.urandom(_PREFIX_BYTES).hex().encode()
        self._numbers = itertools.count(1)

    def of(self, given: bytes | None) -> bytes:
        """Return the id that came with the request if it is a short token, else a new one."""
        if given is not None and _SANE.fullmatch(given):
            return given
        return b"%b-%x" % (self._prefix, next(self._numbers))
