"""The child process that reads large manifests: it answers as the function does, refusals too."""

import json
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings

from entrepot.spec.oci.manifest import ManifestInvalid, parse
from entrepot.spec.oci.read_aside import Reply, Request, reply_to
from support.counts import examples
from support.drawn import spoiled
from support.images import MANIFEST
from support.instance import surroundings

pytestmark = pytest.mark.fast

IMAGE = json.dumps(
    {
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "a" * 64, "size": 1},
        "annotations": {"a": "\ud800"},
    }
).encode()


@given(spoiled())
@settings(max_examples=examples(80, 5_000), deadline=None)
def test_the_reply_is_what_the_function_returns_or_why_it_refuses(made: tuple[str, bytes]) -> None:
    reply = msgspec.msgpack.decode(msgspec.msgpack.encode(reply_to(Request(made[0], "sha256", made[1]))), type=Reply)
    if reply.manifest is not None:
        assert reply == Reply(msgspec.structs.replace(parse(*made), content=b""), "")
        return
    with pytest.raises(ManifestInvalid) as refused:
        parse(*made)
    assert reply.refused
    assert reply.refused in refused.value.message


@pytest.mark.parametrize(("content", "refused"), [(IMAGE, ""), (b"{", "the body is not acceptable JSON")])
def test_the_module_answers_one_request_as_a_program(content: bytes, refused: str) -> None:
    asked = msgspec.msgpack.encode(Request(MANIFEST, "sha512", content))
    done = subprocess.run(
        [sys.executable, "-m", "entrepot.spec.oci.read_aside"], input=asked, capture_output=True, check=True, env=surroundings()
    )
    reply = msgspec.msgpack.decode(done.stdout, type=Reply)
    assert refused in reply.refused
    assert (reply.manifest is None) == bool(refused)
    if reply.manifest is not None:
        assert reply.manifest.digest == parse(MANIFEST, content, "sha512").digest
