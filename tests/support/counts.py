"""How many examples a property test tries: few in `make test`, many in `make test-long`."""

import os
from typing import Final

LONG: Final = os.environ.get("ENTREPOT_TEST_COUNTS") == "long"


def examples(normal: int, long: int) -> int:
    """Return the number for the tier that runs."""
    return long if LONG else normal
