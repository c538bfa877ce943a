"""Values for all processes, in Redis: gone or hung, it is as without a cache."""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import redis
from prometheus_client import Counter

from app.caching import TURN
from app.logs import log

_KEPT = 60  # seconds since it was asked for last; only for room (the limits count there, too)
_TIMEOUT = 0.25  # seconds, as the limiter's (config.py)
_RETRY = 1.0  # seconds for which a Redis that failed is not asked again
_SIGNATURE = hashlib.sha256().digest_size  # bytes

ERRORS = Counter(
    "slugline_cache_errors", "Times that Redis did not answer, and the value was read without it"
)


class Shared:
    """A `Store`. Before a value stands what it is signed with, for its key and version: who can write
    into Redis, or spoils it, does not tell owners what their counts are."""

    def __init__(self, url: str, secret: str) -> None:
        self._secret = secret.encode()
        self._redis = redis.Redis.from_url(
            url.replace("redis+unix://", "unix://"),
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
        )
        self._down_until = 0.0

    def get(self, key: str, version: str) -> bytes | None:
        found: bytes = self._ask(lambda: self._redis.getex(key, ex=_KEPT), None) or b""
        signature, value = found[:_SIGNATURE], found[_SIGNATURE:]
        return value if hmac.compare_digest(signature, self._signed(key, version, value)) else None

    def put(self, key: str, version: str, value: bytes) -> None:
        signed = self._signed(key, version, value) + value
        self._ask(lambda: self._redis.set(key, signed, ex=_KEPT), None)

    def _signed(self, key: str, version: str, value: bytes) -> bytes:
        return hmac.digest(self._secret, f"{key} {version} ".encode() + value, hashlib.sha256)

    def claim(self, key: str, version: str) -> bool:
        """Also where Redis does not answer: then nobody waits for anybody."""
        milliseconds = int(TURN * 1000)
        lock = _lock(key, version)
        return bool(self._ask(lambda: self._redis.set(lock, b"", nx=True, px=milliseconds), True))

    def release(self, key: str, version: str) -> None:
        self._ask(lambda: self._redis.delete(_lock(key, version)), None)

    def _ask(self, question: Callable[[], Any], otherwise: Any) -> Any:
        if time.monotonic() < self._down_until:
            return otherwise
        try:
            return question()
        except redis.RedisError as error:
            self._down_until = time.monotonic() + _RETRY
            ERRORS.inc()
            log.warning("cache unavailable, reading without it", error=type(error).__name__)
            return otherwise


def _lock(key: str, version: str) -> str:
    return f"{key}:{version}"
