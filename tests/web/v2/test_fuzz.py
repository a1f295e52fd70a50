"""Whatever a client sends: never a 500, never a stack trace, always an answer that can be read."""

import re
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.counts import examples
from support.drawn import spoiled
from support.http import Client
from support.instance import Instance
from support.wire import digest_of

SETTINGS: Final = settings(
    deadline=None,
    max_examples=examples(120, 10_000),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SOME: Final = digest_of(b"some")
TRACES: Final = re.compile(rb'Traceback|File "|line \d+, in|\.py\b|sqlite|asyncpg|SELECT |0x[0-9a-f]{8}')
SEGMENT: Final = st.one_of(
    st.sampled_from(
        [
            *(
                "v2",
                "a",
                "b",
                "library",
                "fuzz",
                "manifests",
                "blobs",
                "uploads",
                "tags",
                "list",
                "referrers",
                "_catalog",
                "",
                "..",
            ),
            *(
                "v1",
                SOME,
                "sha256:x",
                "sha512:" + "0" * 128,
                "%00",
                "%2F",
                "%ff",
                "..",
                "latest",
                "00000000-0000-4000-8000-000000000000",
            ),
        ]
    ),
    st.text("aZ0._-%:/~'\"<>", min_size=1, max_size=8),
    st.binary(min_size=1, max_size=4).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw)),
)
VALUE: Final = st.one_of(
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30),
    st.sampled_from(
        ["0-0", "bytes=0-", "bytes=-0", "bytes=0-1,3-4", "*", f'"{SOME}"', "1-0", "9" * 30, "application/json", "-1"]
    ),
)
QUERY_NAME: Final = st.sampled_from(
    ["n", "last", "mount", "from", "digest", "digest-algorithm", "tag", "artifactType", "after", "x"]
)
QUERY: Final = st.lists(st.tuples(QUERY_NAME, st.one_of(SEGMENT, st.text("0123456789-%&=+;", max_size=8))), max_size=4)
HEADER_NAME: Final = st.sampled_from(
    [
        *("Range", "If-Range", "If-None-Match", "Content-Range", "Content-Type", "Accept", "Origin", "Authorization", "Cookie"),
        *("Sec-Fetch-Site", "Expect", "Host", "User-Agent", "X-Meta-Source-Client", "Accept-Encoding", "Content-Encoding"),
    ]
)
METHOD: Final = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "X"])


@pytest.fixture
def lenient(serve: Callable[..., Instance], database_url: str) -> Client:
    """A client of an instance that stores what is incomplete, so that more than its absence is seen of a manifest."""
    return serve(database=database_url, sparse="images").client()


@given(made=spoiled(), reference=st.sampled_from(["fuzz", "own digest", "wrong digest"]), pad=st.booleans())
@SETTINGS
def test_a_spoiled_manifest_is_stored_or_refused(lenient: Client, made: tuple[str, bytes], reference: str, *, pad: bool) -> None:
    header, content = made
    # Large ones are read in a process of their own, which takes a moment: some are enough.
    content += b" " * (140_000 if pad and len(content) % 8 == 0 else 0)
    where = {"fuzz": "fuzz", "own digest": digest_of(content), "wrong digest": SOME}[reference]
    answer = lenient.put(f"/v2/fuzz/manifests/{where}", body=content, headers={"Content-Type": header})
    assert answer.status in (201, 400), answer
    assert not TRACES.search(answer.content)
    if answer.status == 201:
        stored = lenient.get(answer.headers["Location"])
        assert (stored.status, stored.content) == (200, content)
        subject = answer.headers.get("OCI-Subject")
        if subject:
            listed = lenient.get(f"/v2/fuzz/referrers/{subject}").json["manifests"]
            assert digest_of(content) in [each["digest"] for each in listed]
    else:
        assert answer.error_code in ("MANIFEST_INVALID", "DIGEST_INVALID")
    assert lenient.get("/v2/fuzz/tags/list").status in (200, 404)


@given(
    method=METHOD,
    segments=st.lists(SEGMENT, max_size=7),
    query=QUERY,
    headers=st.dictionaries(HEADER_NAME, VALUE, max_size=4),
    body=st.binary(max_size=64),
)
@SETTINGS
def test_no_request_makes_a_mistake_of_ours(
    client: Client, method: str, segments: list[str], query: list[tuple[str, str]], headers: dict[str, str], body: bytes
) -> None:
    target = "/v2/" + "/".join(segments) + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in {"Host": "localhost", **headers}.items()]
    lines += ["Connection: close", f"Content-Length: {len(body)}", "", ""]
    answer = client.raw("\r\n".join(lines).encode("latin-1") + body)
    assert re.match(rb"HTTP/1\.1 [234]\d\d ", answer), answer[:400]
    assert not TRACES.search(answer.partition(b"\r\n\r\n")[2]), answer
