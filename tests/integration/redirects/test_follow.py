"""Following a link: link x method x headers x query, to status, headers and record."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import clock
from tests.conftest import AppFactory
from tests.integration.redirects.made import PASSWORD, TARGET, ClicksUsed, LinkFactory, Spooled

LATER = clock.now() + timedelta(days=1)

LINKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "moved": {"redirect_status": 301},
    "seeother": {"redirect_status": 307},
    "forever": {"redirect_status": 308},
    "dated": {"redirect_status": 301, "expires_at": LATER},
    "limited": {"redirect_status": 301, "max_clicks": 1000},
    "forwards": {"forward_query": True, "url": f"{TARGET}?own=1#top"},
    "protected": {"redirect_status": 301, "password": PASSWORD},
    "both": {"password": PASSWORD, "max_clicks": 1000},
}
JSON = {"Accept": "application/json"}
PREFETCH = {"Sec-Purpose": "prefetch;prerender"}
PREVIEW_AGENT = {"User-Agent": "WhatsApp/2.23.20.0 A"}
KEPT, FRESH = "private, max-age=90", "no-store"


@dataclass(frozen=True)
class Case:
    """A GET, and what it gets; `record` is the kind and the query of the spool line."""

    link: str
    status: int
    location: str | None
    cache_control: str
    record: tuple[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""
    head_location: bool = True


CASES = [
    Case("plain", 302, TARGET, FRESH, ("click", "")),
    Case("plain", 302, TARGET, FRESH, ("click", ""), JSON),
    Case("plain", 302, TARGET, FRESH, ("prefetch", ""), PREFETCH),
    Case("plain", 302, TARGET, FRESH, ("prefetch", ""), {"Purpose": "prefetch"}),
    Case("plain", 302, TARGET, FRESH, ("prefetch", ""), {"X-Moz": "prefetch"}),
    Case("plain", 302, TARGET, FRESH, ("click", ""), PREVIEW_AGENT),
    Case("plain", 302, TARGET, FRESH, ("click", "fbclid=a%20b"), query="fbclid=a%20b"),
    Case("plain", 302, TARGET, FRESH, ("click", "url=//evil.example"), query="url=//evil.example"),
    Case("moved", 301, TARGET, KEPT, ("click", "")),
    Case("moved", 301, TARGET, FRESH, ("prefetch", ""), PREFETCH),
    Case("seeother", 307, TARGET, FRESH, ("click", "")),
    Case("forever", 308, TARGET, KEPT, ("click", "")),
    Case("dated", 301, TARGET, FRESH, ("click", "")),
    Case("limited", 301, TARGET, FRESH, ("click", ""), head_location=False),
    Case("limited", 301, TARGET, FRESH, ("click", ""), JSON, head_location=False),
    Case("limited", 200, None, FRESH, None, PREFETCH),
    Case("limited", 200, None, FRESH, None, {"Purpose": "prefetch"}),
    Case("limited", 200, None, FRESH, None, {"X-Moz": "prefetch"}),
    Case("limited", 200, None, FRESH, None, PREVIEW_AGENT),
    Case("forwards", 302, f"{TARGET}?own=1#top", FRESH, ("click", "")),
    Case(
        "forwards", 302, f"{TARGET}?own=1&a=%C3%A9&b#top", FRESH, ("click", "a=%C3%A9&b"), query="a=%C3%A9&b"
    ),
    Case("forwards", 302, f"{TARGET}?own=1&own=2#top", FRESH, ("prefetch", "own=2"), PREFETCH, "own=2"),
    Case("protected", 200, None, FRESH),
    Case("protected", 200, None, FRESH, None, PREFETCH),
    Case("protected", 200, None, FRESH, None, PREVIEW_AGENT),
    Case("protected", 401, None, FRESH, None, JSON),
    Case("protected", 401, None, FRESH, None, JSON | PREFETCH),
    Case("both", 200, None, FRESH),
    Case("both", 401, None, FRESH, None, JSON),
]


@pytest.fixture
def links(make_link: LinkFactory) -> dict[str, int]:
    return {code: make_link(code, **columns).id for code, columns in LINKS.items()}


def test_every_link_gives_what_the_contract_says(
    links: dict[str, int],
    browser: FlaskClient,
    spooled: Spooled,
    clicks_used: ClicksUsed,
) -> None:
    wrong = []
    for case in CASES:
        before, spent = len(spooled()), clicks_used(links[case.link])
        response = browser.get(f"/s/{case.link}", query_string=case.query, headers=case.headers)
        records = [(line.kind, line.query) for line in spooled()[before:] if line.link_id == links[case.link]]
        got = (
            response.status_code,
            response.headers.get("Location"),
            response.headers["Cache-Control"],
            records,
            clicks_used(links[case.link]) - spent,
        )
        spends = int(case.link == "limited" and case.location is not None)
        wanted = (
            case.status,
            case.location,
            case.cache_control,
            [case.record] if case.record else [],
            spends,
        )
        if got != wanted or (response.data != b"") != (case.location is None) or leaks(response):
            wrong.append((case, got))
    assert wrong == []


@pytest.mark.asvs("3.5.3")
def test_head_gives_the_same_and_neither_records_nor_spends(
    links: dict[str, int],
    browser: FlaskClient,
    spooled: Spooled,
    clicks_used: ClicksUsed,
) -> None:
    wrong = []
    for case in CASES:
        head = browser.head(f"/s/{case.link}", query_string=case.query, headers=case.headers)
        if spooled() or clicks_used(links["limited"]):
            wrong.append((case, "left a trace"))
            break
        wanted = case.location if case.head_location else None
        if (head.status_code, head.headers.get("Location"), head.data) != (case.status, wanted, b""):
            wrong.append((case, head.headers))
    for case in CASES:
        head = browser.head(f"/s/{case.link}", query_string=case.query, headers=case.headers)
        get = browser.get(f"/s/{case.link}", query_string=case.query, headers=case.headers)
        if comparable(head, case) != comparable(get, case):
            wrong.append((case, head.headers))
    assert wrong == []


def test_redirect_has_a_fixed_small_set_of_headers(make_link: LinkFactory, browser: FlaskClient) -> None:
    make_link("abc")
    response = browser.get("/s/abc", headers={"X-Request-ID": "my-request-id", "Cookie": "a=b"})
    assert dict(response.headers) == {
        "Location": TARGET,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Length": "0",
    }


def test_redirect_over_forced_https_pins_https_too(make_app: AppFactory, make_link: LinkFactory) -> None:
    make_link("abc")
    client = make_app(FORCE_HTTPS="true", PUBLIC_URL="https://sho.rt").test_client()
    response = client.get("/s/abc", base_url="https://sho.rt")
    assert set(response.headers.keys()) == {
        "Location",
        "Cache-Control",
        "X-Content-Type-Options",
        "Content-Length",
        "Strict-Transport-Security",
    }


def test_target_is_sent_byte_for_byte(make_link: LinkFactory, browser: FlaskClient) -> None:
    target = "https://example.com/a|b?sig=[x]|{y}^%zz&e#:~:text=a,b"
    make_link("abc", url=target)
    assert browser.get("/s/abc").headers["Location"] == target


def test_record_holds_what_the_visitor_sent(
    make_link: LinkFactory, browser: FlaskClient, spooled: Spooled
) -> None:
    link = make_link("abc")
    headers = {"Referer": "https://news.example/é?q=1", "User-Agent": "Ägent/1.0"}
    browser.get(
        "/s/abc?utm=1",
        headers={name: value.encode().decode("latin-1") for name, value in headers.items()},
        environ_overrides={"REMOTE_ADDR": "203.0.113.77"},
    )
    (line,) = spooled()
    assert (line.link_id, line.kind, line.query) == (link.id, "click", "utm=1")
    assert (line.referrer, line.user_agent) == (headers["Referer"], headers["User-Agent"])
    assert line.address == "203.0.113.0/24"


def leaks(response: TestResponse) -> bool:
    return b"example.com" in response.data


def comparable(response: TestResponse, case: Case) -> dict[str, str]:
    """The headers that GET and HEAD must share; a request id is each request's own."""
    own = {"X-Request-ID"} if case.head_location else {"X-Request-ID", "Location"}
    return {name: value for name, value in response.headers.items() if name not in own}
