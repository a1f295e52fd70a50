"""The upload protocol against a model: any order of requests gives what the model says."""

import itertools
from collections.abc import Callable
from typing import ClassVar, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.counts import LONG, examples
from support.http import Answer
from support.instance import Instance
from support.wire import Repository, digest_of

NUMBERS: Final = itertools.count()
BYTES: Final = st.one_of(st.binary(max_size=40), st.integers(1, 300_000).map(bytes))
ALGORITHM: Final = st.sampled_from(["sha256", "sha512"])


class Uploads(RuleBasedStateMachine):
    """Two repositories, their uploads and their blobs, on the server and in the model."""

    hub: ClassVar[Instance]
    locations: Bundle[str] = Bundle("locations")
    ended: Bundle[str] = Bundle("ended")
    digests: Bundle[str] = Bundle("digests")

    def __init__(self) -> None:
        super().__init__()
        number = next(NUMBERS)
        client = self.hub.client()
        self.repos = [Repository(client, f"model/{number}-{place}") for place in range(2)]
        self.received: dict[str, bytes] = {}
        self.content: dict[str, bytes] = {}
        self.was_served_again = False
        self.has: dict[str, set[str]] = {repo.name: set() for repo in self.repos}

    def owner(self, location: str) -> Repository:
        """Return the repository that an upload belongs to."""
        return next(repo for repo in self.repos if location.startswith(repo.at("")))

    def check_place(self, answer: Answer, location: str) -> None:
        """Check that an answer tells where the upload is and how much has come."""
        assert answer.headers["Location"] == location
        assert answer.headers["Range"] == f"0-{max(len(self.received[location]) - 1, 0)}"
        assert answer.headers["Docker-Upload-UUID"] == location.rpartition("/")[2]

    def became(self, repo: Repository, content: bytes, algorithm: str, answer: Answer) -> str:
        """Check that an upload became a blob, and return its digest."""
        digest = digest_of(content, algorithm)
        assert (answer.status, answer.headers["Location"]) == (201, repo.at(f"blobs/{digest}"))
        self.content[digest] = content
        self.has[repo.name].add(digest)
        return digest

    @rule(target=locations, place=st.integers(0, 1), query=st.sampled_from(["", "?digest-algorithm=sha512"]))
    def begin(self, place: int, query: str) -> str:
        location = self.repos[place].begin(query)
        self.received[location] = b""
        return location

    @rule(location=locations, body=BYTES, ranged=st.booleans())
    def add(self, location: str, body: bytes, *, ranged: bool) -> None:
        first = len(self.received[location])
        headers = {"Content-Range": f"{first}-{first + len(body) - 1}"} if ranged and body else {}
        answer = self.repos[0].client.patch(location, body=body, headers=headers)
        assert answer.status == 202
        self.received[location] += body
        self.check_place(answer, location)

    @rule(location=locations, first=st.integers(0, 400_000), with_put=st.booleans())
    def add_out_of_order(self, location: str, first: int, *, with_put: bool) -> None:
        if first == len(self.received[location]):
            return
        address = f"{location}?digest={digest_of(b'')}" if with_put else location
        headers = {"Content-Range": f"{first}-{first}"}
        answer = self.repos[0].client.request("PUT" if with_put else "PATCH", address, body=b"x", headers=headers)
        assert (answer.status, answer.error_code) == (416, "RANGE_INVALID")
        self.check_place(answer, location)

    @rule(location=locations)
    def ask(self, location: str) -> None:
        answer = self.repos[0].client.get(location)
        assert answer.status == 204
        self.check_place(answer, location)

    @rule(location=locations)
    def close_without_a_digest(self, location: str) -> None:
        assert self.repos[0].client.put(location, body=b"x").status == 400

    @rule(location=locations)
    def ask_through_the_other_repository(self, location: str) -> None:
        mine = self.owner(location)
        other = next(repo for repo in self.repos if repo is not mine)
        answer = self.repos[0].client.get(location.replace(f"/{mine.name}/", f"/{other.name}/"))
        assert (answer.status, answer.error_code) == (404, "BLOB_UPLOAD_UNKNOWN")

    @rule(target=digests, location=consumes(locations), body=BYTES, algorithm=ALGORITHM)
    def close(self, location: str, body: bytes, algorithm: str) -> str:
        content = self.received.pop(location) + body
        repo = self.owner(location)
        digest = digest_of(content, algorithm)
        self.became(repo, content, algorithm, repo.finish(location, digest, body))
        assert repo.finish(location, digest, body).status == 201, "an answer that was lost is given again"
        return digest

    @rule(target=ended, location=consumes(locations), body=BYTES, algorithm=ALGORITHM)
    def close_with_a_wrong_digest(self, location: str, body: bytes, algorithm: str) -> str:
        content = self.received.pop(location) + body
        answer = self.owner(location).finish(location, digest_of(content + b"x", algorithm), body)
        assert (answer.status, answer.error_code) == (400, "DIGEST_INVALID")
        return location

    @rule(target=ended, location=consumes(locations))
    def cancel(self, location: str) -> str:
        del self.received[location]
        assert self.repos[0].client.delete(location).status == 204
        return location

    @rule(location=ended, method=st.sampled_from(["GET", "PATCH", "DELETE"]))
    def use_what_has_ended(self, location: str, method: str) -> None:
        answer = self.repos[0].client.request(method, location, body=b"x" if method == "PATCH" else None)
        assert (answer.status, answer.error_code) == (404, "BLOB_UPLOAD_UNKNOWN")

    @rule(target=digests, place=st.integers(0, 1), content=BYTES, algorithm=ALGORITHM)
    def post_at_once(self, place: int, content: bytes, algorithm: str) -> str:
        repo = self.repos[place]
        answer = repo.client.post(repo.at(f"blobs/uploads/?digest={digest_of(content, algorithm)}"), body=content)
        return self.became(repo, content, algorithm, answer)

    @rule(target=locations, digest=digests, place=st.integers(0, 1))
    def mount(self, digest: str, place: int) -> str | MultipleResults[str]:
        source, target = self.repos[place], self.repos[1 - place]
        answer = target.client.post(target.at(f"blobs/uploads/?mount={digest}&from={source.name}"))
        if digest in self.has[source.name]:
            self.became(target, self.content[digest], digest.partition(":")[0], answer)
            return multiple()
        assert answer.status == 202
        location = str(answer.headers["Location"])
        self.received[location] = b""
        return location

    @rule(digest=digests, place=st.integers(0, 1))
    def read(self, digest: str, place: int) -> None:
        repo = self.repos[place]
        answer = repo.client.get(repo.at(f"blobs/{digest}"))
        if digest in self.has[repo.name]:
            assert (answer.status, answer.content) == (200, self.content[digest])
        else:
            assert answer.status == 404

    @rule(digest=digests, place=st.integers(0, 1))
    def delete(self, digest: str, place: int) -> None:
        repo = self.repos[place]
        status = repo.client.delete(repo.at(f"blobs/{digest}")).status
        assert status == (202 if digest in self.has[repo.name] else 404)
        self.has[repo.name].discard(digest)

    @precondition(lambda self: LONG and not self.was_served_again)
    @rule(kill=st.booleans())
    def serve_again(self, *, kill: bool) -> None:
        self.was_served_again = True
        if kill:
            self.hub.kill()
        self.hub.restart()


def test_any_order_of_requests_gives_what_the_model_says(serve: Callable[..., Instance]) -> None:
    Uploads.hub = serve()
    run_state_machine_as_test(
        Uploads,
        settings=settings(
            max_examples=examples(25, 80), stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
