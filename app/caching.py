"""What was expensive to read, kept until it changes: in this process's memory, or in Redis for all processes.

A value is kept under a key with the version of what it was read from, and is only handed out to who asks with that
version; a caller reads the version anew each time (`app.clicks.versions`). So nothing has to be sent around when
something changes, and the old value is overwritten by the next reader's. Of several who miss the same value at once
one reads it, and the others wait for it, never for longer than `_PATIENCE`. Redis gone or hung: read as without a
cache. Errors are not kept.
"""

import hashlib
import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol

import orjson
from flask import Flask, current_app
from prometheus_client import Counter, Gauge
from werkzeug.utils import import_string

TURN = 0.5  # seconds for which a process may keep others waiting, be it killed meanwhile
_PATIENCE = 1.0  # seconds that a thread waits for another, which may have waited for such a process
_POLL = 0.01  # seconds between two looks into Redis
_OVERHEAD = 400  # bytes that an entry takes beside its value

READS = Counter(
    "slugline_cache_reads",
    "Reads by what came of them: hit, wait (for another's reading) or miss",
    ["cache", "outcome"],
)
ENTRIES = Gauge(
    "slugline_cache_entries", "Values in the memory of the web processes", multiprocess_mode="livesum"
)
BYTES = Gauge("slugline_cache_bytes", "Memory that they take", multiprocess_mode="livesum")


class Store(Protocol):
    """Where values are kept, each with its version. Raises nothing."""

    def get(self, key: str, version: str) -> bytes | None:
        """The value of this version."""

    def put(self, key: str, version: str, value: bytes) -> None:
        """Keep it instead of one of another version."""

    def claim(self, key: str, version: str) -> bool:
        """Whether no other process is reading it; from here on this one is, for `TURN` at most."""

    def release(self, key: str, version: str) -> None:
        """It is read."""


class Memory:
    """This process's: the values asked for last, within so many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._size = 0

    def get(self, key: str, version: str) -> bytes | None:
        with self._lock:
            kept, value = self._values.get(key, ("", b""))
            if kept != version:
                return None
            self._values.move_to_end(key)
            return value

    def put(self, key: str, version: str, value: bytes) -> None:
        with self._lock:
            self._drop(key)
            if len(value) + _OVERHEAD > self._most:
                return
            self._values[key] = version, value
            self._grow(1, len(value) + _OVERHEAD)
            while self._size > self._most:
                self._drop(next(iter(self._values)))

    def claim(self, key: str, version: str) -> bool:
        return True

    def release(self, key: str, version: str) -> None:
        pass

    def _drop(self, key: str) -> None:
        if key in self._values:
            self._grow(-1, -len(self._values.pop(key)[1]) - _OVERHEAD)

    def _grow(self, entries: int, size: int) -> None:
        self._size += size
        ENTRIES.inc(entries)
        BYTES.inc(size)


class _Reading:
    """One thread's, that others wait for."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.value: bytes | None = None


class Cache:
    """Reads through a store. `secret` keys the names of what is kept, so that they tell nobody what was asked for."""

    def __init__(self, store: Store, secret: str) -> None:
        self._store = store
        self._secret = secret.encode()
        self._lock = threading.Lock()
        self._readings: dict[Hashable, _Reading] = {}

    def read(self, name: str, arguments: object, version: str, read: Callable[[], object]) -> Any:
        """Return what `read` returned for these arguments at this version, as JSON has it (a tuple is a list, a time
        a text), whether it was kept or not.

        `arguments`, in JSON, say whose it is, too: what differs for two callers must differ there. A value of
        another shape needs another name: Redis outlives an upgrade. Raises what `read` raises.
        """
        key = self._key(name, arguments)
        value, outcome = self._store.get(key, version), "hit"
        if value is None:
            value, outcome = self._read_once(key, version, lambda: orjson.dumps(read()))
        READS.labels(name, outcome).inc()
        return orjson.loads(value)

    def _key(self, name: str, arguments: object) -> str:
        asked = orjson.dumps([name, arguments])
        return f"slugline:cache:{hmac.new(self._secret, asked, hashlib.sha256).hexdigest()[:40]}"

    def _read_once(self, key: str, version: str, read: Callable[[], bytes]) -> tuple[bytes, str]:
        """Read it, or wait for the thread that does; who has waited in vain reads it as well."""
        with self._lock:
            other = self._readings.get((key, version))
            own = None if other else self._readings.setdefault((key, version), _Reading())
        if own:
            try:
                own.value, outcome = self._read_in_turn(key, version, read)
            finally:
                with self._lock:
                    del self._readings[key, version]
                own.done.set()
            return own.value, outcome
        if other and other.done.wait(_PATIENCE) and other.value is not None:
            return other.value, "wait"
        return read(), "miss"

    def _read_in_turn(self, key: str, version: str, read: Callable[[], bytes]) -> tuple[bytes, str]:
        """Read and keep it, or wait for the process that does."""
        deadline = time.monotonic() + TURN
        while not (claimed := self._store.claim(key, version)) and time.monotonic() < deadline:
            time.sleep(_POLL)
            if (value := self._store.get(key, version)) is not None:
                return value, "wait"
        try:
            # Again: who had the turn before may have come to its end since this one looked.
            if (value := self._store.get(key, version)) is not None:
                return value, "wait"
            value = read()
            self._store.put(key, version, value)
            return value, "miss"
        finally:
            if claimed:
                self._store.release(key, version)


def init_app(app: Flask) -> None:
    """Give the application an empty cache: in Redis when given, none where CACHE_BYTES is 0."""
    url, most, secret = (app.config[name] for name in ("REDIS_URL", "CACHE_BYTES", "SECRET_KEY"))
    store: Store = _in_redis(url, secret) if url and most else Memory(most)
    app.extensions["cache"] = Cache(store, secret)


def _in_redis(url: str, secret: str) -> Store:
    # By name: the client costs a process that has no Redis a tenth of a second and 5 MiB.
    store: Store = import_string("app.cache_in_redis.Shared")(url, secret)
    return store


def cache() -> Cache:
    """The application's."""
    found: Cache = current_app.extensions["cache"]
    return found
