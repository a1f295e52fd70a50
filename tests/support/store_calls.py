"""A bucket as botocore's signatures reach it, past all code of the product: to see what lies there, and to put things there."""

import hashlib
import re
import urllib.request

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.s3 import Bucket


def asked(bucket: Bucket, method: str, key: str, query: str = "", body: bytes = b"") -> bytes:
    """Do one call with a whole key, empty for the bucket itself, and return the answer's body."""
    url = f"{bucket.address}/{bucket.name}/{key}{'?' if query else ''}{query}"
    headers = {"x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
    request = AWSRequest(method=method, url=url, headers=headers, data=body)
    environment = bucket.environment
    keys_ = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    S3SigV4Auth(keys_, "s3", environment["AWS_REGION"]).add_auth(request)
    sent = urllib.request.Request(url, data=body or None, headers=dict(request.headers), method=method)  # noqa: S310 - loopback
    with urllib.request.urlopen(sent) as answer:  # noqa: S310 - loopback
        content: bytes = answer.read()
        return content


def keys(bucket: Bucket, prefix: str) -> list[str]:
    """Return the whole keys of the objects below a prefix, in order."""
    body = asked(bucket, "GET", "", f"list-type=2&prefix={prefix.replace('/', '%2F')}")
    return sorted(re.findall(r"<Key>([^<]*)</Key>", body.decode()))
