"""Security headers as a matrix: each of them on each kind of answer (OWASP Secure Headers; ASVS 5.0 V3.4)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.web import headers
from tests.conftest import PASSWORD
from tests.security.browsers import OURS, house_on_https

ADA = {"email": "ada@example.org", "password": PASSWORD}
# Kind of answer > method, path, status; {open} and {locked} are links.
ANSWERS = {
    "API success": ("GET", "/api/v1/auth/sessions", 200),
    "API specification": ("GET", "/api/v1/openapi.json", 200),
    "API created": ("POST", "/api/v1/links", 201),
    "API error": ("GET", "/api/v1/links?zzz=1", 400),
    "API unknown path": ("GET", "/api/v1/nothing", 404),
    "API unknown version": ("GET", "/api/v7", 404),
    "API wrong method": ("DELETE", "/api/v1/auth/login", 405),
    "API too long": ("GET", "/api/v1/links?" + "q" * 5000, 414),
    "API preflight": ("OPTIONS", "/api/v1/links", 200),
    "docs": ("GET", "/docs", 200),
    "docs of errors": ("GET", "/docs/errors", 200),
    "docs script": ("GET", "/docs/start.js", 200),
    "docs unknown": ("GET", "/docs/nothing", 404),
    "redirect": ("GET", "/s/{open}", 302),
    "preview page": ("GET", "/s/{open}+", 200),
    "password page": ("GET", "/s/{locked}", 200),
    "page of no link": ("GET", "/s/nothing", 404),
    "health": ("GET", "/healthz", 200),
    "readiness": ("GET", "/readyz", 200),
    "robots": ("GET", "/robots.txt", 200),
    "unknown path": ("GET", "/nothing/at/all", 404),
}
EVERYWHERE = ("Strict-Transport-Security", "X-Content-Type-Options")
# A 30x has no content that these could bind, and a fixed small set of headers (`rules.REDIRECT_HEADERS`).
WITH_CONTENT = (
    *("Content-Security-Policy", "X-Frame-Options", "Referrer-Policy"),
    *("Permissions-Policy", "Cross-Origin-Opener-Policy"),
)
OF_THE_API = ("Cross-Origin-Resource-Policy", "Cache-Control")
HEADERS = EVERYWHERE + WITH_CONTENT + OF_THE_API


@pytest.fixture(scope="module")
def secure(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("headers")
    with house_on_https(sqlite_template, folder, FORCE_HTTPS="true") as app:
        yield app


@pytest.fixture(scope="module")
def bearer(secure: Flask) -> dict[str, str]:
    client = secure.test_client()
    client.post("/api/v1/auth/register", base_url=OURS, json=ADA)
    token = client.post("/api/v1/auth/login", base_url=OURS, json=ADA).json["access_token"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def codes(secure: Flask, bearer: dict[str, str]) -> dict[str, str]:
    def made(**fields: str) -> str:
        body = {"url": "https://example.com/", **fields}
        answer = secure.test_client().post("/api/v1/links", base_url=OURS, headers=bearer, json=body)
        return str(answer.json["code"])

    return {"open": made(), "locked": made(password=PASSWORD)}


@pytest.mark.asvs("3.2.1", "3.4.1", "3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.8", "3.5.8", "14.3.2")
@pytest.mark.parametrize("kind", ANSWERS)
def test_answer_carries_its_headers(
    secure: Flask, bearer: dict[str, str], codes: dict[str, str], kind: str, cell: Callable[..., None]
) -> None:
    sent = answered(secure, bearer, codes, kind)
    assert all(len(values) <= 1 for values in sent.values())
    assert sent["Strict-Transport-Security"] == [headers.HSTS]
    assert sent["X-Content-Type-Options"] == ["nosniff"]
    if kind == "redirect":
        assert not any(sent[name] for name in WITH_CONTENT)
    else:
        assert_content_is_bound(sent)
    if kind.startswith("API"):
        assert sent["Cross-Origin-Resource-Policy"] == ["same-origin"]
        assert sent["Cache-Control"] == ["no-cache" if kind == "API specification" else "no-store"]
    else:  # a short link to a picture may stand in any page
        assert sent["Cross-Origin-Resource-Policy"] == []
    cell("headers", len(sent))


def answered(secure: Flask, bearer: dict[str, str], codes: dict[str, str], kind: str) -> dict[str, list[str]]:
    """The headers of such an answer."""
    method, path, status = ANSWERS[kind]
    client: FlaskClient = secure.test_client()
    body = {"json": {"url": "https://example.com/"}} if method == "POST" else {}
    with client.open(path.format(**codes), method=method, base_url=OURS, headers=bearer, **body) as answer:
        assert answer.status_code == status
        return {name: answer.headers.getlist(name) for name in HEADERS}


def assert_content_is_bound(sent: dict[str, list[str]]) -> None:
    [policy] = sent["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "base-uri 'none'" in policy  # does not follow from default-src
    assert "frame-ancestors 'none'" in policy
    assert sent["X-Frame-Options"] == ["DENY"]
    assert sent["Referrer-Policy"] in (["no-referrer"], ["same-origin"])
    assert sent["Permissions-Policy"] == [headers.UNLESS_SET["Permissions-Policy"]]
    assert sent["Cross-Origin-Opener-Policy"] == ["same-origin"]


def test_in_clear_nothing_is_said_of_https(secure: Flask) -> None:
    """RFC 6797 §7.2; and whatever was sent in clear gets no further than to be refused."""
    answer = secure.test_client().get("/api/v1/users/me", base_url="http://sho.rt")
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "HTTPS_REQUIRED")
    assert "Strict-Transport-Security" not in answer.headers
