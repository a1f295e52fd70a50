"""What the log says about requests, and by which id a request is found in it."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

from support.http import Client
from support.instance import Instance
from support.wire import Repository, digest_of

Line = dict[str, Any]
_LIMIT_S: Final = 10.0


def lines(instance: Instance, id_: str, at_least: int = 1) -> list[Line]:
    """Return what the log says about the request of this id; some of it is written when the answer has been sent already."""
    end = time.monotonic() + _LIMIT_S
    while True:
        every = [json.loads(line) for line in instance.log.read_text("utf-8").splitlines() if line.startswith("{")]
        found = [line for line in every if line.get("request") == id_]
        if len(found) >= at_least or time.monotonic() > end:
            return found
        time.sleep(0.01)


@pytest.fixture
def quiet(serve: Callable[..., Instance]) -> Instance:
    """An instance that logs as it does by default, for programs to read."""
    return serve(log_format="json", log_level="info")


def test_a_write_is_one_line_with_the_id_that_its_answer_has(quiet: Instance, repository: str) -> None:
    repo = Repository(quiet.client(), repository)
    answer = repo.finish(repo.begin(), digest_of(b"content"), b"content")
    (line,) = lines(quiet, answer.headers["X-Request-Id"])
    assert (line["event"], line["method"], line["status"], line["client"]) == ("written", "PUT", 201, "127.0.0.1")
    assert line["path"].startswith(f"/v2/{repository}/blobs/uploads/")


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/v2/UPPER/tags/list", {}, "NAME_INVALID"),
        ("/v2/", {"Host": "elsewhere.example"}, "DENIED"),
        ("/", {"Host": "elsewhere.example"}, "DENIED"),
    ],
)
def test_a_refusal_is_one_line_with_its_reason(quiet: Instance, path: str, headers: dict[str, str], code: str) -> None:
    answer = quiet.client().get(path, headers=headers)
    (line,) = lines(quiet, answer.headers["X-Request-Id"])
    assert (line["event"], line["path"], line["status"], line["code"]) == ("request_refused", path, answer.status, code)
    assert line["reason"] in answer.content.decode()


def test_the_id_of_a_client_is_used_when_it_is_a_short_token(quiet: Instance) -> None:
    client = quiet.client()
    for path in ("/v2/", "/v2/UPPER/tags/list", "/", "/healthz", "/nothing"):
        assert client.get(path, headers={"X-Request-Id": "balancer-17"}).headers["X-Request-Id"] == "balancer-17"
    (line,) = lines(quiet, "balancer-17")
    assert line["event"] == "request_refused"
    made = client.get("/v2/", headers={"X-Request-Id": "two words"}).headers["X-Request-Id"]
    assert made not in ("", "two words")


def test_every_answer_has_one_id_and_no_two_the_same(client: Client, repository: str) -> None:
    repo = Repository(client, repository)
    manifest = repo.image("v1")
    digest = digest_of(manifest)
    layer = json.loads(manifest)["layers"][0]["digest"]
    paths = ["manifests/v1", f"manifests/{digest}", f"blobs/{layer}", "tags/list", "manifests/none", f"referrers/{digest}"]
    answers = [client.get(repo.at(path)) for path in paths for _ in range(3)]
    ids = [answer.headers.getlist("X-Request-Id") for answer in answers]
    assert all(len(each) == 1 for each in ids), ids
    assert len({each[0] for each in ids}) == len(answers), "a remembered list of headers was changed"


def test_pulls_are_logged_only_when_that_is_asked_for(quiet: Instance, serve: Callable[..., Instance], repository: str) -> None:
    chatty = serve("chatty", log_format="json", log_level="info", access_log=True)
    for instance in (quiet, chatty):
        repo = Repository(instance.client(), repository)
        content = b"layer " * 50_000
        repo.blob(content)
        answer = instance.client().get(repo.at(f"blobs/{digest_of(content)}"), headers={"User-Agent": "x" * 300})
        found = lines(instance, answer.headers["X-Request-Id"], at_least=0 if instance is quiet else 1)
        assert [line["event"] for line in found] == ([] if instance is quiet else ["answered"])
    (line,) = found
    assert (line["status"], line["sent_bytes"], line["received_bytes"], line["agent"]) == (200, len(content), 0, "x" * 200)
    assert 0 < line["duration_ms"] < 60_000
    answer = repo.finish(repo.begin(), digest_of(b"content"), b"content")
    written, answered = lines(chatty, answer.headers["X-Request-Id"], at_least=2)
    assert (written["event"], answered["event"], answered["received_bytes"]) == ("written", "answered", 7)


def test_an_answer_that_breaks_off_is_logged_with_its_id(quiet: Instance, repository: str) -> None:
    repo = Repository(quiet.client(), repository)
    content = bytes(3 << 20)
    repo.blob(content)
    (file,) = (path for path in quiet.data.glob("blobs/sha256/*/*") if path.stat().st_size == len(content))
    file.chmod(0o600)
    with file.open("r+b") as shortened:
        shortened.truncate(2 << 20)
    with pytest.raises(OSError, match="GET"):
        repo.client.get(repo.at(f"blobs/{digest_of(content)}"), headers={"X-Request-Id": "cut"})
    (line,) = lines(quiet, "cut")
    assert (line["event"], line["sent_bytes"]) == ("answer_broken_off", 2 << 20)
    assert "StorageUnavailable" in line["exception"]
