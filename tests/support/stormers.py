"""A client of the storm: it pushes, mounts, pulls and deletes in repositories of its own, whose blobs it shares with all others.

It knows what must be there and what must be gone, and until when the grace time promises a blob that it was told of. What
breaks such a promise ends it with a `Wrong`, which has its last requests.
"""

import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from support import images
from support.asking import Asker
from support.shelves import GRACE_S, PROMISED_S, Kept, Shelf, content, image, index

_WAYS: Final = ("ask", "ask", "hope", "hope", "mount", "push", "ask and wait", "mount and wait")
UPLOAD_LIFETIME_S: Final = 6.0
_SHELVES: Final = 10
_MOST_MANIFESTS: Final = 4  # of one repository: more is deleted first


@dataclass
class World:
    """What the clients of one storm share."""

    url: str
    seed: int
    clients: int
    stop: threading.Event = field(default_factory=threading.Event)

    def anybodys(self, chance: random.Random) -> str:
        """Return the name of some client's repository."""
        return f"storm/c{chance.randrange(self.clients)}-{chance.randrange(_SHELVES)}"


class Stormer(Asker):
    """One client with a thread of its own; the only one that changes its repositories."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world.url, f"stormer {number}")
        self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.error: BaseException | None = None
        self.shelves = [Shelf(f"storm/c{number}-{each}") for each in range(_SHELVES)]
        self._world = world
        self._chance = random.Random(f"{world.seed} {number}")
        self._comebacks: list[tuple[float, Shelf, tuple[bytes, ...]]] = []
        self._acts: dict[Callable[[Shelf], None], int] = {
            self._push: 26,
            self._revive: 26,
            self._delete: 12,
            self._index: 6,
            self._refer: 6,
            self._delete_tag: 4,
            self._delete_blob: 6,
            self._pull: 14,
            self._absent: 8,
            self._cancel: 3,
            self._leave: 3,
        }

    def _run(self) -> None:
        try:
            while not self._world.stop.is_set():
                self.act()
        except BaseException as error:  # noqa: BLE001 - shown by the test, which waits in another thread
            self.error = error
            self._world.stop.set()

    def act(self) -> None:
        """Do one thing."""
        due = next((each for each in self._comebacks if each[0] <= time.monotonic()), None)
        if due is not None:
            self._comebacks.remove(due)
            self._come_back(*due[1:])
            return
        shelf = self._chance.choice(self.shelves)
        act = self._chance.choices(list(self._acts), list(self._acts.values()))[0]
        act(shelf)
        self.done[act.__name__.lstrip("_")] += 1

    def check(self) -> None:
        """Compare everything: each tag and manifest whole, each list, and what must be gone."""
        for shelf in self.shelves:
            for digest in shelf.manifests:
                self._whole(shelf, digest, digest)
            for tag, digest in shelf.tags.items():
                self._whole(shelf, tag, digest)
            self._absent(shelf)

    # --- what is pushed

    def _push(self, shelf: Shelf) -> None:
        """Push an image, by another flow for each of its blobs."""
        blobs = tuple({content(self._chance, self._world.seed): None for _ in range(self._chance.randint(1, 4))})
        self._make_room(shelf)
        for place, blob in enumerate(blobs):
            self._provide(shelf, blob, blobs[:place])
        if self._chance.random() < 0.1:
            time.sleep(self._chance.uniform(0, PROMISED_S))
        self._put(shelf, image(blobs, note=self._note()), self._tags())

    def _note(self) -> str:
        return self._chance.choice(("", "a", "b"))

    def _tags(self) -> list[str]:
        return [f"t{self._chance.randrange(6)}"] if self._chance.random() < 0.8 else []

    def _provide(self, shelf: Shelf, blob: bytes, told: tuple[bytes, ...]) -> None:
        flows = [self._by_asking, self._by_mount, self._at_once, self._in_two, self._broken_off]
        if self._chance.random() < 0.005:
            self._slowly(shelf, blob, told)
        else:
            self._chance.choices(flows, [4, 4, 2, 2, 1])[0](shelf, blob)

    def _by_asking(self, shelf: Shelf, blob: bytes) -> None:
        """As docker does: ask first, and push what is not there."""
        if not self._is_told(shelf, images.sha256(blob)):
            self._in_two(shelf, blob)

    def _is_told(self, shelf: Shelf, digest: str) -> bool:
        must = shelf.must_have(digest)
        answer, sent = self._ask("HEAD", f"/v2/{shelf.name}/blobs/{digest}", (200, 404))
        if answer.status == 200:
            shelf.promise(digest, sent + PROMISED_S)
        elif must and shelf.must_have(digest):
            self._wrong(f"{shelf.name} does not have {digest} any more, which was promised")
        return answer.status == 200

    def _by_mount(self, shelf: Shelf, blob: bytes) -> None:
        digest = images.sha256(blob)
        own = next((each for each in self.shelves if each is not shelf and each.names(digest)), None)
        source = own.name if own else self._world.anybodys(self._chance)
        answer, sent = self._ask("POST", f"/v2/{shelf.name}/blobs/uploads/?mount={digest}&from={source}", (201, 202))
        if answer.status == 201:
            self.done["mounted"] += 1
            shelf.promise(digest, sent + PROMISED_S)
            return
        if own is not None:
            self._wrong(f"{digest} is not mounted from {source}, where a manifest names it")
        self._finish(shelf, answer.headers["location"], blob)

    def _at_once(self, shelf: Shelf, blob: bytes) -> None:
        digest = images.sha256(blob)
        _, sent = self._ask("POST", f"/v2/{shelf.name}/blobs/uploads/?digest={digest}", (201,), blob)
        shelf.promise(digest, sent + PROMISED_S)

    def _in_two(self, shelf: Shelf, blob: bytes) -> None:
        self._finish(shelf, self._begin(shelf), blob)

    def _begin(self, shelf: Shelf) -> str:
        return self._ask("POST", f"/v2/{shelf.name}/blobs/uploads/", (202,))[0].headers["location"]

    def _finish(self, shelf: Shelf, place: str, rest: bytes, whole: bytes = b"") -> float:
        digest = images.sha256(whole or rest)
        _, sent = self._ask("PUT", f"{place}?digest={digest}", (201,), rest)
        shelf.promise(digest, sent + PROMISED_S)
        return sent

    def _slowly(self, shelf: Shelf, blob: bytes, told: tuple[bytes, ...]) -> None:
        """Push for longer than the grace time: what the repository's push was told before is kept while it goes on."""
        place, steps = self._begin(shelf), []
        for number in range(5):
            time.sleep(GRACE_S * 0.4)
            piece = blob[number * len(blob) // 5 : (number + 1) * len(blob) // 5]
            _, sent = self._ask("PATCH", place, (202,), piece)
            steps.append((sent, time.monotonic()))
        sent = self._finish(shelf, place, b"", blob)
        steps.append((sent, time.monotonic()))
        for digest in map(images.sha256, told):
            for begun, ended in steps:
                # Only what still was promised when a step was recorded is promised for longer by it.
                if shelf.promised_until.get(digest, 0) > ended:
                    shelf.promise(digest, begun + PROMISED_S)
        self.done["slow"] += 1

    def _broken_off(self, shelf: Shelf, blob: bytes) -> None:
        """Break off in the middle of a body, and go on from where the registry says."""
        began, place = time.monotonic(), self._begin(shelf)
        self._send_half(place, blob)
        time.sleep(self._chance.uniform(0, 0.3))
        for _ in range(20):
            status, _ = self._ask("GET", place, (204, 404))
            if status.status == 404:
                if time.monotonic() - began < UPLOAD_LIFETIME_S * 0.9:
                    self._wrong(f"{place} is gone")
                return self._at_once(shelf, blob)
            ranged = status.headers["range"].split("-")[1]
            there = int(ranged) + 1 if ranged != "0" else 0  # `0-0` is also said of none
            headers = {"content-range": f"{there}-{len(blob) - 1}"}
            # The broken request may still be read to its end: then there is more by now, and this one is told so.
            rest, _ = self._ask("PATCH", place, (202, 404, 416), blob[there:], headers)
            if rest.status == 202:
                self._finish(shelf, place, b"", blob)
                self.done["resumed"] += 1
                return None
        self._wrong(f"{place} cannot be gone on with")
        return None

    def _send_half(self, place: str, blob: bytes) -> None:
        head = f"PATCH {place} HTTP/1.1\r\nHost: storm\r\nContent-Length: {len(blob)}\r\n\r\n".encode()
        self._last.append(f"half of PATCH {place}")
        with socket.create_connection(self._client.address, 20) as connection:
            connection.sendall(head + blob[: self._chance.randint(2, max(3, len(blob) - 2))])

    def _cancel(self, shelf: Shelf) -> None:
        place = self._begin(shelf)
        self._ask("PATCH", place, (202,), b"to be forgotten")
        self._ask("DELETE", place, (204,))
        self._ask("GET", place, (404,))

    def _leave(self, shelf: Shelf) -> None:
        """Begin an upload and never come back."""
        place = self._begin(shelf)
        if self._chance.random() < 0.7:
            self._send_half(place, content(self._chance, self._world.seed))

    def _put(self, shelf: Shelf, kept: Kept, tags: list[str]) -> bool:
        """Push a manifest; it may be refused only for what nothing promises any more."""
        reference = tags[0] if tags else kept.digest
        headers = {"content-type": kept.media_type}
        answer, _ = self._ask("PUT", f"/v2/{shelf.name}/manifests/{reference}", (201, 400), kept.body, headers)
        if answer.status == 201:
            shelf.keep(kept, tags)
            return True
        if answer.error_code != "MANIFEST_BLOB_UNKNOWN":
            self._wrong(f"{answer.content!r}")
        for digest in [each["detail"]["digest"] for each in answer.json["errors"]]:
            if digest in shelf.manifests or shelf.must_have(digest):
                self._wrong(f"{shelf.name} was promised to have {digest}, and refuses a manifest that names it")
        self.done["too late"] += 1
        return False

    def _index(self, shelf: Shelf) -> None:
        """Push an index of what is there."""
        self._make_room(shelf)
        children = [kept for kept in shelf.manifests.values() if kept.media_type == images.MANIFEST]
        if children:
            self._put(shelf, index(self._chance.sample(children, self._chance.randint(1, len(children)))), self._tags())

    def _refer(self, shelf: Shelf) -> None:
        """Push what refers to another manifest, and ask for all that do."""
        if not shelf.manifests:
            return
        subject = self._chance.choice(list(shelf.manifests.values()))
        blob = content(self._chance, self._world.seed)
        self._provide(shelf, blob, ())
        self._put(shelf, image((blob,), subject, self._note()), [])
        self._check_referrers(shelf, subject.digest)

    # --- what is deleted, and comes back

    def _make_room(self, shelf: Shelf) -> None:
        while len(shelf.manifests) >= _MOST_MANIFESTS:
            self._delete(shelf)

    def _delete(self, shelf: Shelf) -> None:
        if shelf.manifests:
            self._delete_manifest(shelf, self._chance.choice(list(shelf.manifests)))

    def _delete_manifest(self, shelf: Shelf, digest: str) -> None:
        self._ask("DELETE", f"/v2/{shelf.name}/manifests/{digest}", (202,))
        shelf.drop(digest)

    def _delete_tag(self, shelf: Shelf) -> None:
        if shelf.tags:
            tag = self._chance.choice(list(shelf.tags))
            self._ask("DELETE", f"/v2/{shelf.name}/manifests/{tag}", (202,))
            shelf.drop_tag(tag)

    def _delete_blob(self, shelf: Shelf) -> None:
        """Delete a blob: one that a manifest names is refused."""
        known = list(shelf.promised_until)
        if not known:
            return
        digest = self._chance.choice(known)
        named, must = shelf.names(digest), shelf.must_have(digest)
        expected = (405,) if named else (202, 404)
        answer, _ = self._ask("DELETE", f"/v2/{shelf.name}/blobs/{digest}", expected)
        if answer.status == 404 and must and shelf.must_have(digest):
            self._wrong(f"{shelf.name} does not have {digest}, which was promised")
        if not named:
            del shelf.promised_until[digest]
            self._ask("HEAD", f"/v2/{shelf.name}/blobs/{digest}", (404,))

    def _revive(self, _: Shelf) -> None:
        """Take away what names some blobs, and name them again in the moment in which they may be collected."""
        # Uploads keep all links of their repository: where there was none for long, links go at once.
        shelf = min((each for each in self.shelves if each.manifests), key=lambda each: each.used_at, default=self.shelves[0])
        images_ = [kept for kept in shelf.manifests.values() if kept.blobs]
        if not images_:
            return
        kept = self._chance.choice(images_)
        for digest in [each.digest for each in images_ if each.named & kept.named]:
            self._delete_manifest(shelf, digest)
        if self._chance.random() < 0.6:
            # A collection that a deletion asks for begins after milliseconds, on SQLite after up to a twentieth of a second.
            time.sleep(self._chance.uniform(0, self._chance.choice((0.02, 0.1))))
            self._come_back(shelf, kept.blobs)
            self._again_and_again(shelf, kept.blobs)
        else:
            due = time.monotonic() + self._chance.uniform(0, 1.2) * GRACE_S
            self._comebacks.append((due, shelf, kept.blobs))

    def _again_and_again(self, shelf: Shelf, blobs: tuple[bytes, ...]) -> None:
        """Delete an image and push its manifest again, as often as its blobs are still there: none of this touches them."""
        kept = image(blobs, note="again")
        self._make_room(shelf)
        while self._put(shelf, kept, []) and self._chance.random() < 0.9:
            self._whole(shelf, kept.digest, kept.digest)
            for digest in [each.digest for each in shelf.manifests.values() if each.named & kept.named]:
                self._delete_manifest(shelf, digest)
            time.sleep(self._chance.uniform(0, self._chance.choice((0.01, 0.06))))
            self.done["came back: again"] += 1

    def _come_back(self, shelf: Shelf, blobs: tuple[bytes, ...]) -> None:
        """Name blobs again that nothing names: asked for first, moved elsewhere, pushed again, or in hope."""
        way, there = self._chance.choice(_WAYS), shelf
        if way == "mount":
            there = self._chance.choice([each for each in self.shelves if each is not shelf])
        self._make_room(there)
        for blob in blobs:
            if way in ("ask", "ask and wait"):
                self._by_asking(there, blob)
            elif way.startswith("mount"):
                self._move(shelf, there, blob)
            elif way == "push":
                self._at_once(there, blob)
        if way.endswith("and wait"):
            time.sleep(self._chance.uniform(0.3, 0.74) * GRACE_S)
        kept = image(blobs, note=self._note())
        if self._put(there, kept, self._tags()):
            self._whole(there, kept.digest, kept.digest)
        self.done[f"came back: {way}"] += 1

    def _move(self, source: Shelf, target: Shelf, blob: bytes) -> None:
        digest = images.sha256(blob)
        must = source.must_have(digest)
        answer, sent = self._ask("POST", f"/v2/{target.name}/blobs/uploads/?mount={digest}&from={source.name}", (201, 202))
        if answer.status == 201:
            target.promise(digest, sent + PROMISED_S)
            return
        if must and source.must_have(digest):
            self._wrong(f"{digest} is not mounted from {source.name}, which was promised to have it")
        self._finish(target, answer.headers["location"], blob)

    def _pull(self, shelf: Shelf) -> None:
        known = {**shelf.tags, **{digest: digest for digest in shelf.manifests}}
        if known:
            reference = self._chance.choice(list(known))
            self._whole(shelf, reference, known[reference])
