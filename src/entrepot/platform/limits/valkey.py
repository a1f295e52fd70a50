"""Sliding windows in a Valkey or Redis that all nodes share; the same windows as those of one machine, by the server's clock.

Each call is one script, which the server runs alone, so that no two calls see the same count. A server that does not answer
within half a second is left alone for a second: who limits pulls must not stop them.
"""

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from entrepot.platform.limits.windows import BUCKET_S, WINDOW_S, LimitsAway, Taken

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

_log: Final = logging.getLogger(__name__)
_PATIENCE_S: Final = 0.5
_CONNECTIONS: Final = 8
_LEFT_ALONE_S: Final = 1.0
_TOLD_EVERY_S: Final = 60.0
_PREFIX: Final = "entrepot:pulls:"
# KEYS[1] the subject; ARGV: limit, whether to count, seconds of a bucket, buckets of a window.
_ASK: Final = """
local now = tonumber(redis.call('TIME')[1])
local size, buckets = tonumber(ARGV[3]), tonumber(ARGV[4])
local bucket, limit = math.floor(now / size), tonumber(ARGV[1])
local stored, used, at = redis.call('HGETALL', KEYS[1]), 0, {}
for place = 1, #stored, 2 do
  local one = tonumber(stored[place])
  if one <= bucket - buckets then
    redis.call('HDEL', KEYS[1], stored[place])
  else
    at[#at + 1] = {one, tonumber(stored[place + 1])}
    used = used + tonumber(stored[place + 1])
  end
end
local allowed = used < limit
if allowed and ARGV[2] == '1' then
  redis.call('HINCRBY', KEYS[1], bucket, 1)
  redis.call('EXPIRE', KEYS[1], size * buckets)
  at[#at + 1] = {bucket, 1}
  used = used + 1
end
local frees = 0
if used >= limit then
  table.sort(at, function(one, other) return one[1] < other[1] end)
  local over = used - limit
  for _, each in ipairs(at) do
    over = over - each[2]
    if over < 0 then
      frees = math.max((each[1] + buckets) * size - now, 1)
      break
    end
  end
end
return {allowed and 1 or 0, math.max(limit - used, 0), bucket, frees}
"""
# KEYS[1] the subject; ARGV[1] the bucket.
_GIVE_BACK: Final = """
local count = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if count > 0 then redis.call('HINCRBY', KEYS[1], ARGV[1], -1) end
return count
"""


class ValkeyWindows:
    """Windows of all nodes; used by one event loop. It connects when it is first asked."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._server: Redis | None = None
        self._ask: AsyncScript
        self._give_back: AsyncScript
        self._away_until = self._told_at = 0.0

    async def take(self, subject: str, limit: int) -> Taken:
        """Count one if fewer than `limit` were counted in the window. Raises LimitsAway."""
        return await self._asked(subject, limit, count=True)

    async def look(self, subject: str, limit: int) -> Taken:
        """Tell what is left, and count nothing. Raises LimitsAway."""
        return await self._asked(subject, limit, count=False)

    async def give_back(self, subject: str, bucket: int) -> None:
        """Take back one that was counted. Raises LimitsAway."""
        self._open()
        await self._run(self._give_back, subject, bucket)

    async def _asked(self, subject: str, limit: int, *, count: bool) -> Taken:
        self._open()
        words = (limit, int(count), BUCKET_S, WINDOW_S // BUCKET_S + 1)
        allowed, remaining, bucket, frees_in_s = await self._run(self._ask, subject, *words)
        return Taken(bool(allowed), remaining, bucket, frees_in_s)

    async def _run(self, script: "AsyncScript", subject: str, *words: int) -> Any:
        from redis.exceptions import RedisError  # noqa: PLC0415 - only clusters have it

        now = time.monotonic()
        if now < self._away_until:
            raise LimitsAway
        try:
            return await script(keys=[_PREFIX + subject], args=words)
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + _LEFT_ALONE_S
            if now - self._told_at > _TOLD_EVERY_S:
                self._told_at = now
                _log.error("limits_away", extra={"reason": f"{type(error).__name__}: {error}"})
            raise LimitsAway from None

    def _open(self) -> None:
        if self._server is not None:
            return
        from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415 - only clusters have it
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        # Nothing is tried again: a script that counts would count twice. A few connections are enough, for which many wait.
        once = Retry(NoBackoff(), 0)
        pool = BlockingConnectionPool.from_url(
            self._url,
            max_connections=_CONNECTIONS,
            timeout=_PATIENCE_S,
            socket_timeout=_PATIENCE_S,
            socket_connect_timeout=_PATIENCE_S,
            retry=once,
        )
        self._server = Redis.from_pool(pool)
        self._ask, self._give_back = (self._server.register_script(text) for text in (_ASK, _GIVE_BACK))

    async def close(self) -> None:
        """Disconnect."""
        if self._server is not None:
            await self._server.aclose()
