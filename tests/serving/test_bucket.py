"""A registry that keeps its blobs in a bucket: where clients are sent, what is cleaned up, and what it says without the store."""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from entrepot.base.settings import Settings
from support.commands import run
from support.history import rows
from support.http import Answer
from support.instance import Instance, surroundings
from support.s3 import Bucket, S3Server, served
from support.store_calls import asked, keys
from support.wire import Repository, digest_of

SMALL: Final = b"small"
LARGE: Final = os.urandom(200_000)
HUGE: Final = os.urandom(20 << 20)


@contextmanager
def serving(data: Path, bucket: Bucket, options: dict[str, str] | None = None, **settings: object) -> Iterator[Instance]:
    storage = bucket.url(**(options or {}))
    with Instance(data, environment=surroundings(**bucket.environment), storage=storage, **settings) as instance:  # type: ignore[arg-type]
        yield instance


def repository(instance: Instance) -> Repository:
    return Repository(instance.client(), "team/one")


def command(instance: Instance, bucket: Bucket, *words: str) -> Any:
    """Run a command with the instance's settings and return the JSON that it prints."""
    done = run(*words, "--json", "--data", str(instance.data), "--storage", bucket.url(), **bucket.environment)
    assert done.stderr == ""
    return json.loads(done.stdout)


def followed(answer: Answer, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Follow a redirect as a client does, who sends the same headers again."""
    request = urllib.request.Request(answer.headers["location"], headers=headers)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request) as got:  # noqa: S310 - loopback
            return got.status, {name.lower(): value for name, value in got.headers.items()}, got.read()
    except urllib.error.HTTPError as error:
        return error.code, {}, b""


def test_large_blobs_are_had_from_the_bucket_itself(tmp_path: Path, s3: S3Server) -> None:
    bucket = s3.new_bucket()
    with serving(tmp_path / "data", bucket, {"public_endpoint": bucket.address}) as instance:
        repo = repository(instance)
        digest = repo.blob(LARGE)["digest"]
        answer = repo.client.get(repo.at(f"blobs/{digest}"))
        assert (answer.status, answer.headers["docker-content-digest"], answer.content) == (307, digest, b"")
        assert "X-Amz-Expires=600" in answer.headers["location"]
        status, headers, content = followed(answer)
        assert (status, content) == (200, LARGE)
        assert (headers["content-type"], headers["content-disposition"]) == ("application/octet-stream", "attachment")
        assert (
            followed(repo.client.get(repo.at(f"blobs/{digest}"), headers={"Range": "bytes=5-9"}), Range="bytes=5-9")[2]
            == LARGE[5:10]
        )
        forged = Answer(307, answer.headers, b"")
        forged.headers["location"] = answer.headers["location"].replace("attachment", "inline")
        assert followed(forged)[0] == 403


def test_nobody_is_sent_away_for_a_head_a_small_blob_or_one_that_is_there_already(tmp_path: Path, s3: S3Server) -> None:
    bucket = s3.new_bucket()
    with serving(tmp_path / "data", bucket, {"redirect": "on"}) as instance:
        repo = repository(instance)
        small, large = (repo.blob(each)["digest"] for each in (SMALL, LARGE))
        assert repo.client.get(repo.at(f"blobs/{small}")).content == SMALL
        head = repo.client.head(repo.at(f"blobs/{large}"))
        assert (head.status, head.headers["content-length"]) == (200, str(len(LARGE)))
        known = repo.client.get(repo.at(f"blobs/{large}"), headers={"If-None-Match": f'"{large}"'})
        assert known.status == 304
        assert repo.client.get(repo.at(f"blobs/{large}")).status == 307


@pytest.mark.parametrize("options", [{}, {"public_endpoint": "http://127.0.0.1:1", "redirect": "off"}], ids=["alone", "off"])
def test_without_redirects_blobs_and_parts_of_them_come_from_here(tmp_path: Path, s3: S3Server, options: dict[str, str]) -> None:
    with serving(tmp_path / "data", s3.new_bucket(), options) as instance:
        repo = repository(instance)
        path = repo.at(f"blobs/{repo.blob(HUGE)['digest']}")
        assert repo.client.get(path).content == HUGE
        part = repo.client.get(path, headers={"Range": "bytes=9000000-18000000"})
        assert (part.status, part.content) == (206, HUGE[9_000_000:18_000_001])
        two = repo.client.get(path, headers={"Range": "bytes=0-9,9000000-9000009"})
        assert HUGE[:10] in two.content
        assert HUGE[9_000_000:9_000_010] in two.content


def test_a_deleted_image_leaves_nothing_in_the_bucket_but_the_mark(tmp_path: Path, s3: S3Server) -> None:
    bucket = s3.new_bucket()
    with serving(tmp_path / "data", bucket, gc_grace=60) as instance:
        repo = repository(instance)
        digest = repo.blob(HUGE)["digest"]
        location = repo.begin()
        repo.client.patch(location, body=HUGE[: 9 << 20])
        assert repo.client.delete(location).status == 204
        assert keys(bucket, f"{bucket.prefix}/")[:-1] == keys(bucket, f"{bucket.prefix}/blobs/")
        assert repo.client.delete(repo.at(f"blobs/{digest}")).status == 202
        settings = Settings(data=str(instance.data))
        rows(settings, "UPDATE blob SET created_at = 0")
        deadline = time.monotonic() + 60
        while not rows(settings, "SELECT 1 FROM blob WHERE condemned_at IS NOT NULL"):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        rows(settings, "UPDATE blob SET condemned_at = 1")
        while keys(bucket, f"{bucket.prefix}/blobs/"):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert keys(bucket, f"{bucket.prefix}/") == [f"{bucket.prefix}/entrepot.json"]


def test_what_nobody_names_is_found_and_what_is_not_ours_is_left(tmp_path: Path, s3: S3Server) -> None:
    bucket = s3.new_bucket()
    name = f"{'0' * 32}.{'1' * 16}"
    # A registry whose prefix is ours with a letter more, one below our blobs, and somebody's files among them.
    others = [f"{bucket.prefix}{rest}" for rest in (f"-other/blobs/{name}", f"/blobs/blobs/{name}", "/blobs/notes.txt")]
    for other in others:
        asked(bucket, "PUT", other, body=b"not ours")
    with serving(tmp_path / "data", bucket) as instance:
        repo = repository(instance)
        repo.blob(SMALL)
        repo.client.patch(repo.begin(), body=HUGE[: 9 << 20])  # an upload that goes on
        asked(bucket, "PUT", f"{bucket.prefix}/blobs/{name}", body=b"left")
        asked(bucket, "POST", f"{bucket.prefix}/blobs/{name}", "uploads=")
        asked(bucket, "POST", f"{bucket.prefix}/blobs/blobs/{name}", "uploads=")
        found = [each["key"] for each in command(instance, bucket, "storage", "leftovers")]
        assert sorted(key.partition("/")[0] for key in found) == ["blobs", "multipart"]
        assert all(key.endswith(f"/{name}") and "blobs/blobs" not in key for key in found)


def test_all_is_well_with_a_bucket_and_a_wrong_public_endpoint_is_told(tmp_path: Path, s3: S3Server) -> None:
    bucket = s3.new_bucket()
    with serving(tmp_path / "data", bucket) as instance:
        found = command(instance, bucket, "doctor")
        assert [each["verdict"] for each in found if "bucket" in each["check"]] == ["ok", "ok", "ok"]
        assert keys(bucket, f"{bucket.prefix}/doctor/") == []
        wrong = bucket.url(public_endpoint="http://127.0.0.1:1")
        done = run("doctor", "--json", "--data", str(instance.data), "--storage", wrong, **bucket.environment)
        (redirects,) = (each for each in json.loads(done.stdout) if each["check"] == "redirects")
        assert (redirects["verdict"], "public_endpoint=" in redirects["advice"]) == ("error", True)


@pytest.mark.parametrize(
    ("options", "environment", "told"),
    [
        ({"create": "false"}, {}, "create=true"),
        ({}, {"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses its credentials"),
        ({}, {"AWS_SECRET_ACCESS_KEY": ""}, "is not set"),
        ({"endpoint": "http://127.0.0.1:1"}, {}, "does not answer"),
    ],
)
def test_a_bucket_that_cannot_be_used_stops_the_start_with_the_reason(
    tmp_path: Path, s3: S3Server, options: dict[str, str], environment: dict[str, str], told: str
) -> None:
    bucket = s3.new_bucket()
    url = bucket.url(**options).replace("//blobs/", "//no-such-bucket/" if "create" in options else "//blobs/")
    done = run("migrate", "--data", str(tmp_path / "data"), "--storage", url, **{**bucket.environment, **environment})
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


def test_another_bucket_than_the_one_with_the_blobs_is_refused(tmp_path: Path, s3: S3Server) -> None:
    bucket, other = s3.new_bucket(), s3.new_bucket()
    with serving(tmp_path / "data", bucket) as instance:
        repository(instance).blob(SMALL)
    for words in (["migrate"], ["storage", "leftovers"]):
        done = run(*words, "--data", str(tmp_path / "data"), "--storage", other.url(), **other.environment)
        assert (done.returncode, done.stdout) == (1, "")
        assert "correct --storage" in done.stderr


def test_a_database_is_never_put_on_the_blobs_of_another_registry(tmp_path: Path, s3: S3Server) -> None:
    bucket, other = s3.new_bucket(), s3.new_bucket()
    for name, place in (("one", bucket), ("two", other)):
        with serving(tmp_path / name, place) as instance:
            repository(instance).blob(SMALL)
    for name in ("two", "new"):
        for words in (["migrate"], ["storage", "leftovers"]) if name == "two" else (["migrate"],):
            done = run(*words, "--data", str(tmp_path / name), "--storage", bucket.url(), **bucket.environment)
            assert (done.returncode, done.stdout) == (1, ""), words
            assert "another registry" in done.stderr
    words = ["migrate", "--storage", bucket.url(), "--data"]
    assert run(*words, str(tmp_path / "one"), **bucket.environment).returncode == 0
    asked(bucket, "DELETE", f"{bucket.prefix}/entrepot.json")
    assert "correct --storage" in run(*words, str(tmp_path / "one"), **bucket.environment).stderr
    asked(bucket, "PUT", f"{bucket.prefix}/entrepot.json", body=b"mine again")
    assert run(*words, str(tmp_path / "one"), **bucket.environment).returncode == 0
    asked(bucket, "DELETE", f"{bucket.prefix}/entrepot.json")
    assert run(*words, str(tmp_path / "new"), **bucket.environment).returncode == 0


def test_while_the_store_is_away_nothing_is_missing_and_it_is_refused_at_once(tmp_path: Path) -> None:
    with served() as server, serving(tmp_path / "data", server.new_bucket()) as instance:
        repo = repository(instance)
        paths = [repo.at(f"blobs/{repo.blob(content)['digest']}") for content in (LARGE, HUGE)]
        location = repo.begin()
        assert repo.client.patch(location, body=HUGE[: 9 << 20]).status == 202
        server.kill()
        assert repo.client.get(paths[0]).status == 503
        began = time.monotonic()
        for answer in (
            *(repo.client.head(path) for path in paths),
            repo.client.get(paths[1]),
            repo.client.post(repo.at("blobs/uploads/")),
            repo.client.patch(location, body=HUGE[9 << 20 :], headers={"Content-Range": f"{9 << 20}-{len(HUGE) - 1}"}),
        ):
            assert (answer.status, answer.headers.get("retry-after", "5")) == (503, "5")
        assert repo.client.get("/readyz").status == 503
        assert time.monotonic() - began < 2
        server.start()
        deadline = time.monotonic() + 30
        while repo.client.get("/readyz").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        # The store answers before it takes writes: whoever is told 503 then goes on from what the upload has.
        while (answer := repo.client.patch(location, body=HUGE[_offset(repo.client.get(location)) :])).status == 503:
            assert time.monotonic() < deadline, answer
            time.sleep(0.5)
        assert answer.status == 202, answer
        assert repo.finish(location, digest_of(HUGE)).status == 201
        assert repo.client.get(paths[1]).content == HUGE


def _offset(told: Answer) -> int:
    """Return how many bytes an upload has, as its status tells."""
    assert told.status == 204, told
    return int(told.headers["range"].removeprefix("0-")) + 1
