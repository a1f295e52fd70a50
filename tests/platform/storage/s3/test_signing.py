"""Our signatures are botocore's, whatever is signed."""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.platform.storage.s3.signing import Keys, Request, encoded_path, encoded_query, presign, sign
from support.counts import examples

pytestmark = pytest.mark.fast
PRINTABLE: Final = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=20
)
KEYS: Final = st.builds(
    Keys,
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=20),
    st.text("abcdefghijklmnopqrstuvwxyz/+0123", min_size=20, max_size=40),
    st.sampled_from(["", "a+token/of=some"]),
)
REQUESTS: Final = st.builds(
    lambda method, host, key, query: Request(method, host, f"/{encoded_path(key)}", tuple(query.items())),
    st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"]),
    st.sampled_from(["s3.example", "s3.example:9000", "bucket.s3.eu-central-1.amazonaws.com"]),
    PRINTABLE,
    st.dictionaries(PRINTABLE, st.one_of(st.just(""), PRINTABLE), max_size=4),
)
REGION: Final = st.sampled_from(["us-east-1", "eu-central-1"])


def theirs(signer: Any, asked: Request, headers: dict[str, str], body: bytes = b"") -> AWSRequest:
    """Let botocore sign, at whatever time it is."""
    text = encoded_query(asked.query)
    url = f"http://{asked.host}{asked.path}{'?' if text else ''}{text}"
    request = AWSRequest(method=asked.method, url=url, headers=headers, data=body)
    request.context["payload_signing_enabled"] = True
    signer.add_auth(request)
    return request


def when(stamp: str, region: str) -> tuple[datetime, str]:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC), region


def credentials(keys: Keys) -> Credentials:
    return Credentials(keys.access, keys.secret, keys.token or None)


@settings(max_examples=examples(100, 2000), deadline=None)
@given(asked=REQUESTS, keys=KEYS, region=REGION, size=st.integers(0, 9))
def test_signed_requests(asked: Request, keys: Keys, region: str, size: int) -> None:
    body = bytes(size)
    headers = {"content-md5": "x" * size, "x-amz-copy-source": f"/a  b/{size}"} if size else {}
    expected = theirs(S3SigV4Auth(credentials(keys), "s3", region), asked, dict(headers), body)
    at = when(expected.context["timestamp"], region)
    ours = sign(asked, headers, hashlib.sha256(body).hexdigest(), keys, at)
    assert ours["authorization"] == expected.headers["Authorization"]
    assert ours["x-amz-date"] == expected.headers["X-Amz-Date"]


@settings(max_examples=examples(100, 2000), deadline=None)
@given(asked=REQUESTS, keys=KEYS, region=REGION, valid_s=st.integers(1, 604_800))
def test_presigned_addresses(asked: Request, keys: Keys, region: str, valid_s: int) -> None:
    expected = urlsplit(theirs(S3SigV4QueryAuth(credentials(keys), "s3", region, valid_s), asked, {}).url)
    query = dict(parse_qsl(expected.query, keep_blank_values=True))
    ours = urlsplit(f"http://{asked.host}" + presign(asked, valid_s, keys, when(query["X-Amz-Date"], region)))
    assert ours.path == expected.path
    assert dict(parse_qsl(ours.query, keep_blank_values=True)) == query
