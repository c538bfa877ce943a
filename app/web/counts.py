"""Where a process without Redis counts its limits, in fixed windows.

The store that the library has for this starts a thread on nearly every call, and that goes through all keys.
"""

import time
from threading import Lock

from limits.storage import Storage

_SWEPT_EVERY = 60.0  # seconds after which windows that have ended are looked for, and forgotten
_MOST = 100_000  # windows that are kept then, some 230 bytes each; who has a /48 of IPv6 has 65,536 networks


class ProcessStorage(Storage):
    """Counts by key, each with the end of its window (Unix time)."""

    STORAGE_SCHEME = ["process"]
    base_exceptions = ()

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: float | str | bool):
        super().__init__(uri, wrap_exceptions, **options)
        self._lock = Lock()
        self._windows: dict[str, tuple[float, int]] = {}
        self._swept_at = time.time()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = time.time()
        with self._lock:
            if now >= self._swept_at + _SWEPT_EVERY or len(self._windows) >= 2 * _MOST:
                self._sweep(now)
            ends, count = self._windows.get(key, (0.0, 0))
            if ends <= now:
                ends, count = now + expiry, 0
            self._windows[key] = ends, count + amount
            return count + amount

    def get(self, key: str) -> int:
        ends, count = self._windows.get(key, (0.0, 0))
        return count if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        return self._windows.get(key, (time.time(), 0))[0]

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        with self._lock:
            gone, self._windows = len(self._windows), {}
        return gone

    def clear(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)

    def _sweep(self, now: float) -> None:
        going = [(key, window) for key, window in self._windows.items() if window[0] > now]
        if len(going) > _MOST:
            # Who knocked least is forgotten first: nobody gets rid of a count that bounds him.
            going = sorted(going, key=lambda one: one[1][1], reverse=True)[:_MOST]
        self._windows, self._swept_at = dict(going), now
