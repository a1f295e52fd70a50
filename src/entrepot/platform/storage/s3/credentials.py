"""Who we are to the store: the usual `AWS_*` variables, else the file of credentials that Amazon's tools share.

Keys from a file are read again when it has changed, so that they can be replaced while we serve. Roles by web identity and by a
machine's metadata service are not supported.
"""

import configparser
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from entrepot.base.bucket import Bucket, BucketUnusable
from entrepot.platform.storage.s3.signing import Keys

_LOOK_EVERY_S: Final = 10.0
_DEFAULT_REGION: Final = "us-east-1"
_NONE: Final = "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE"


class Credentials:
    """The keys in force. Raises BucketUnusable when there are none."""

    def __init__(self, bucket: Bucket, environment: Mapping[str, str], look_every_s: float = _LOOK_EVERY_S) -> None:
        self._bucket = bucket.told
        self.region = bucket.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or _DEFAULT_REGION
        access, secret = environment.get("AWS_ACCESS_KEY_ID", ""), environment.get("AWS_SECRET_ACCESS_KEY", "")
        self._file: Path | None = None
        self._profile = environment.get("AWS_PROFILE") or "default"
        self._look_every_s = look_every_s
        self._looked_at = time.monotonic()
        self._changed_ns = 0
        if access and secret:
            self._keys = Keys(access, secret, environment.get("AWS_SESSION_TOKEN", ""))
            return
        if access or secret:
            raise BucketUnusable(bucket=self._bucket, reason="one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is not set")
        named = environment.get("AWS_SHARED_CREDENTIALS_FILE")
        self._file = Path(named) if named else Path.home() / ".aws" / "credentials"
        self._keys = self._read(self._file)

    def keys(self) -> Keys:
        """Return the keys; those of a file are at most ten seconds old."""
        if self._file is not None and time.monotonic() - self._looked_at > self._look_every_s:
            self._looked_at = time.monotonic()
            try:
                if self._file.stat().st_mtime_ns != self._changed_ns:
                    self._keys = self._read(self._file)
            except (OSError, BucketUnusable):
                return self._keys  # it is being replaced: the keys of before are as good as none
        return self._keys

    def _read(self, file: Path) -> Keys:
        parsed = configparser.ConfigParser(interpolation=None)
        try:
            self._changed_ns = file.stat().st_mtime_ns
            parsed.read_string(file.read_text("utf-8"))
            section = parsed[self._profile]
            return Keys(
                section["aws_access_key_id"], section["aws_secret_access_key"], section.get("aws_session_token", fallback="")
            )
        except FileNotFoundError:
            raise BucketUnusable(bucket=self._bucket, reason=_NONE) from None
        except KeyError as missing:
            reason = f"{file} has no {missing.args[0]} for the profile {self._profile}"
            raise BucketUnusable(bucket=self._bucket, reason=reason) from None
        except (OSError, UnicodeDecodeError, configparser.Error):
            raise BucketUnusable(bucket=self._bucket, reason=f"{file} cannot be read as a file of credentials") from None
