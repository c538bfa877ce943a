"""Links in every state, for servers to be asked about, and the bytes of requests for them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, insert

from app.accounts.models import User
from app.clicks.models import DayKey
from app.links.models import DEFAULT_DOMAIN_ID, Domain, Link

NOW = datetime.now(UTC)
LATER, BEFORE = NOW + timedelta(days=1), NOW - timedelta(days=1)
SECOND, SECOND_HOST = 2, "second.example"
HASH = "pbkdf2:sha256:{}$salt$" + "0" * 64
LINKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "moved": {"redirect_status": 301},
    "kept": {"redirect_status": 307},
    "keptmoved": {"redirect_status": 308},
    "forwarding": {"forward_query": True, "url": "https://example.com/a?own=1#top"},
    "secret": {"password_hash": HASH.format(30_000)},
    "laborious": {"password_hash": HASH.format(2_000_000)},
    "limited": {"max_clicks": 1_000_000},
    "exhausted": {"max_clicks": 5, "clicks_used": 5},
    "expiring": {"expires_at": LATER},
    "expired": {"expires_at": BEFORE},
    "scheduled": {"starts_at": LATER},
    "started": {"starts_at": BEFORE},
    "disabled": {"enabled": False},
    "deleted": {"deleted_at": BEFORE},
    "blocked": {"blocked_reason": "phishing"},
    "c" * 64: {},
}
STATES = [*LINKS, "unknown", "+", "..", "c" * 65]
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: de,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: https://news.example.net/today?id=7",
    "Connection: keep-alive",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: cross-site",
    "Priority: u=0, i",
)


def seed(url: str) -> None:
    """Write LINKS and what they need, past the API, which would not make some of these states."""
    engine = create_engine(url)
    times = {"created_at": BEFORE, "updated_at": BEFORE}
    with engine.begin() as connection:
        connection.execute(insert(User).values(id=1, public_id="usr_1", **times))
        connection.execute(insert(Domain).values(id=SECOND, host=SECOND_HOST))
        # Without them each process has a key of its own, and one visitor another hash in each.
        for day in (NOW, LATER):
            connection.execute(insert(DayKey).values(day=day.date(), key=b"k" * 32))
        link = {
            "domain_id": DEFAULT_DOMAIN_ID,
            "owner_id": 1,
            "url": "https://example.com/p?own=1#top",
            **times,
        }
        for code, columns in LINKS.items():
            connection.execute(insert(Link).values(code=code, **{**link, **columns}))
        other = {**link, "domain_id": SECOND, "url": "https://second.example.com/"}
        connection.execute(insert(Link).values(code="plain", **other))
    engine.dispose()


def request(line: str, *lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join((line, "Host: sho.rt", *lines, "\r\n")).encode("latin-1") + body


def get(*lines: str, body: bytes = b"", target: str = "/s/plain", version: str = "HTTP/1.1") -> bytes:
    return request(f"GET {target} {version}", *lines, body=body)


PLAIN = get()
PAGE = get(target="/docs")


def unlocking(code: str, *lines: str) -> bytes:
    """A wrong password: it takes the time of hashing, whatever comes behind it."""
    form = ("Content-Type: application/x-www-form-urlencoded", "Content-Length: 14")
    return request(f"POST /s/{code} HTTP/1.1", *form, *lines, body=b"password=wrong")


SLOW = unlocking("secret")
