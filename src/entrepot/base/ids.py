"""Identifiers that nobody can guess and no two processes can both draw."""

import os
import uuid


def new_upload_id() -> str:
    """Return a random UUID (distribution-spec: the upload location "MUST contain a UUID")."""
    return str(uuid.uuid4())


def new_token() -> str:
    """Return 16 random bytes in hexadecimal: the unique part of a storage key, or the owner of a lease."""
    return os.urandom(16).hex()
