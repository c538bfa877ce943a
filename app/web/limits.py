"""Volume limits: buckets in Flask-Limiter's store (Redis when given, else this process's memory).

Anonymous calls, and calls whose credential turned out bad, spend from their address's bucket; a verified
caller spends from its own. An unverified token never chooses a bucket (traps.md). Secrets are not guarded
here: guesses are counted in the database (`app.accounts.guesses`), exactly.
"""

import hashlib
import hmac
import math
import time
from dataclasses import dataclass

from flask import Flask, Response, current_app, g
from limits import RateLimitItem, parse_many
from limits.strategies import FixedWindowRateLimiter, RateLimiter
from prometheus_client import Counter

from app import addresses
from app.errors import RateLimited
from app.extensions import limiter
from app.logs import log
from app.web.counts import ProcessStorage
from app.web.proxy import client_address

_RETRY_STORE = 1.0  # seconds for which a store that failed is not asked again
_TTL_ROUNDING = 0.5  # seconds by which Redis may call a window shorter than it is

REFUSED = Counter(
    "slugline_limited_requests", "Requests refused with 429, by the bucket that was empty", ["bucket"]
)
STORE_FAILURES = Counter(
    "slugline_limiter_store_failures",
    "Times the limiter's store failed; for a second after each it is not asked",
)


@dataclass(frozen=True)
class Bucket:
    """A named count: `rates` is the name of the setting that bounds it, `key` who spends from it."""

    name: str
    rates: str
    key: str


@dataclass
class _Counters:
    """Where an application counts: in the store, and while that is down in this process, which is laxer over
    several processes but never off."""

    store: RateLimiter
    fallback: RateLimiter
    down_until: float = 0.0

    @property
    def store_is_down(self) -> bool:
        return time.monotonic() < self.down_until


def init_app(app: Flask) -> None:
    if app.config["RATELIMIT_ENABLED"]:
        # Taken now: the module's limiter is that of the application made last.
        app.extensions["limits"] = _Counters(limiter.limiter, FixedWindowRateLimiter(ProcessStorage()))
    app.after_request(_send)
    if shares_nothing(app):
        log.warning("several web processes without REDIS_URL: each counts its own limits")


def shares_nothing(app: Flask) -> bool:
    """Whether several processes count apart, so that a client gets a multiple of each limit."""
    return app.config["WEB_WORKERS"] > 1 and not app.config["REDIS_URL"]


def address_bucket(name: str = "anonymous", rates: str = "LIMIT_ANONYMOUS") -> Bucket:
    """The bucket of the client's address; the key is an HMAC, so that no address lies in Redis."""
    network = addresses.counted(client_address()) or "unknown"
    secret = current_app.config["SECRET_KEY"].encode()
    return Bucket(name, rates, hmac.new(secret, network.encode(), hashlib.sha256).hexdigest()[:32])


def spend(bucket: Bucket) -> None:
    """Take one from the bucket. Raises RateLimited, with the seconds until one more is let through."""
    spent = g.setdefault("limits", [])
    rates = current_app.config[bucket.rates]
    if not rates or not current_app.config["RATELIMIT_ENABLED"]:
        return
    items = parse_many(rates)
    passed, windows = _hit(bucket, items)
    spent += [(bucket.name, item, *window) for item, window in zip(items, windows, strict=True)]
    if not passed:
        REFUSED.labels(bucket.name).inc()
        # None is used up where the window ended between the two questions.
        wait = max((reset for reset, remaining in windows if remaining <= 0), default=0.0)
        raise RateLimited(math.ceil(wait))


def has_spent() -> bool:
    """Whether this request has been to a bucket, be it one without a bound."""
    return "limits" in g


def _hit(bucket: Bucket, items: list[RateLimitItem]) -> tuple[bool, list[tuple[float, int]]]:
    """Spend from each rate; return whether all let it pass, and (seconds to reset, remaining) of each."""
    counters: _Counters = current_app.extensions["limits"]
    if not counters.store_is_down:
        try:
            return _hit_in(counters.store, bucket, items)
        except Exception as error:  # each store has its own errors
            counters.down_until = time.monotonic() + _RETRY_STORE
            STORE_FAILURES.inc()
            log.warning("limiter store unavailable, counting in this process", error=type(error).__name__)
    return _hit_in(counters.fallback, bucket, items)


def _hit_in(
    counter: RateLimiter, bucket: Bucket, items: list[RateLimitItem]
) -> tuple[bool, list[tuple[float, int]]]:
    # Stops at the first that refuses: who knocks on in a full minute does not spend his day.
    passed = all(counter.hit(item, bucket.name, bucket.key) for item in items)
    windows = [counter.get_window_stats(item, bucket.name, bucket.key) for item in items]
    now = time.time() - (_TTL_ROUNDING if current_app.config["REDIS_URL"] else 0.0)
    return passed, [
        # No longer than the whole window, which the allowance for rounding would make of a fresh one.
        (min(max(0.0, reset - now), item.get_expiry()), remaining)
        for item, (reset, remaining) in zip(items, windows, strict=True)
    ]


def _send(response: Response) -> Response:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers), and the older `X-RateLimit-*`
    of the window nearest to its end: limit, remaining, and the Unix time of the reset."""
    spent: list[tuple[str, RateLimitItem, float, int]] = g.get("limits", [])
    if not spent:
        return response
    policies, states = [], []
    for name, item, reset, remaining in spent:
        policy = f'"{name}-{item.get_expiry()}"'
        policies.append(f"{policy};q={item.amount};w={item.get_expiry()}")
        states.append(f"{policy};r={remaining};t={math.ceil(reset)}")
    _, item, reset, remaining = min(spent, key=lambda entry: entry[3])
    response.headers["RateLimit-Policy"] = ", ".join(policies)
    response.headers["RateLimit"] = ", ".join(states)
    response.headers["X-RateLimit-Limit"] = str(item.amount)
    response.headers["X-RateLimit-Remaining"] = str(remaining)
    response.headers["X-RateLimit-Reset"] = str(math.ceil(time.time() + reset))
    return response
