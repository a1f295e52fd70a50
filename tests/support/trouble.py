"""A client that tries again, for tests in which the store fails: it goes on where an upload stands, or begins anew."""

import time
from collections.abc import Callable
from typing import Final

from entrepot.platform.storage.s3.calls import Calls
from entrepot.platform.storage.s3.objects import MARK, Objects
from support import images
from support.http import Answer, Client
from support.s3 import Bucket

_FIRST_BYTES: Final = 100_000
_LIMIT_S: Final = 40.0
_PAUSE_S: Final = 0.1


class Upload:
    """One blob's push: in one request when it is small, else in three, the first two of which end at no part's border."""

    def __init__(self, client: Client, repository: str, content: bytes) -> None:
        self._client = client
        self._uploads = f"/v2/{repository}/blobs/uploads/"
        self._content = content
        self._digest = images.sha256(content)
        self._place = ""

    def go_on(self) -> Answer:
        """Push what is left; return the answer that ended it, good or bad."""
        if len(self._content) <= _FIRST_BYTES:
            return self._client.post(f"{self._uploads}?digest={self._digest}", body=self._content)
        offset = self._offset()
        if isinstance(offset, Answer):
            return offset
        for end in (_FIRST_BYTES, len(self._content) - _FIRST_BYTES):
            if offset < end:
                done = self._client.patch(self._place, body=self._content[offset:end])
                if done.status != 202:
                    return done
                offset = end
        done = self._client.put(f"{self._place}?digest={self._digest}", body=self._content[offset:])
        if done.status in (400, 404):
            self._place = ""  # the upload is spoilt, as its client was told: the next try begins anew
        return done

    def _offset(self) -> int | Answer:
        if self._place:
            found = self._client.get(self._place)
            if found.status == 204:
                last = int(found.headers["range"].partition("-")[2])
                return last + 1 if last else 0
            if found.status != 404:
                return found
        begun = self._client.post(self._uploads)
        if begun.status != 202:
            return begun
        self._place = begun.headers["location"]
        return 0


def insist(act: Callable[[], Answer | None], status: int, act_again: Callable[[], object] = lambda: None) -> Answer:
    """Try again until the answer is as it should be; before each further try something else may be done again."""
    end = time.monotonic() + _LIMIT_S
    while True:
        answer = act()
        if answer is not None and answer.status == status:
            return answer
        assert time.monotonic() < end, f"it does not succeed, but answers {answer}"
        time.sleep(_PAUSE_S)
        act_again()


async def everything(bucket: Bucket) -> set[str]:
    """Return all that lies at a bucket's place but its mark: keys, and those of multipart uploads."""
    calls = Calls(bucket.place(), bucket.environment)
    objects = Objects(calls)
    try:
        found = {each.key for prefix in ("", "blobs/", "quarantine/") async for each in objects.listed(prefix)}
        found |= {each.key async for each in objects.listed_uploads("")}
    finally:
        await calls.close()
    return found - {MARK}
