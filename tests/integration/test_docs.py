"""/docs and the pages beside it: no CDN, a strict policy, the specification itself."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import clock
from tests.conftest import AppFactory
from tests.sharing import shared


@pytest.fixture(scope="module")
def reader(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with shared(sqlite_template, tmp_path_factory.mktemp("docs")) as app:
        yield app.test_client()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class Page(HTMLParser):
    """What a page loads, and what of it runs without being loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.inline.append(f"{tag} {name}")
            if (name == "src" or (tag, name) == ("link", "href")) and value:
                self.loaded.append(value)

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style") and data.strip():
            self.inline.append(data)


def text_of(reader: FlaskClient, path: str) -> str:
    with reader.get(path) as answer:
        assert answer.status_code == 200
        return answer.text


@pytest.mark.asvs("14.2.3")
def test_page_loads_only_files_of_this_service_and_has_nothing_inline(reader: FlaskClient) -> None:
    page = Page(text_of(reader, "/docs"))
    assert page.inline == []
    assert len(page.loaded) >= 3
    for path in page.loaded:
        assert "://" not in path
        assert not path.startswith("//")
        with reader.get(f"/{path}") as answer:
            assert answer.status_code == 200
            kind = {"css": "text/css", "js": "text/javascript", "png": "image/png"}[path.rsplit(".", 1)[1]]
            assert answer.mimetype == kind
            assert len(answer.data) > 100


@pytest.mark.asvs("3.4.3")
def test_policy_allows_no_script_but_ours_and_no_framing(reader: FlaskClient) -> None:
    with reader.get("/docs") as answer:
        parts = dict(
            part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")
        )
    assert parts["default-src"] == "'none'"
    assert parts["script-src"] == "'self'"
    assert parts["connect-src"] == "'self'"
    assert parts["frame-ancestors"] == "'none'"


def test_starter_asks_for_the_specification_and_for_no_validator(reader: FlaskClient) -> None:
    script = text_of(reader, "/docs/start.js")
    assert "validatorUrl: null" in script
    path = re.search(r'url: "([^"]+)"', script)
    assert path
    assert reader.get(f"/{path[1]}").json["openapi"].startswith("3.1")


@pytest.mark.asvs("5.3.2", "13.4.3")
@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "index.html",
        "../app.py",
        "%2e%2e/app.py",
        "..%2F..%2Fconfig.py",
        "swagger-ui.js.map",
        "/etc/passwd",
    ],
)
def test_any_other_file_is_404_in_the_one_shape(reader: FlaskClient, name: str) -> None:
    answer = reader.get(f"/docs/{name}")
    assert answer.status_code == 404
    assert answer.json["error"]["code"] == "NOT_FOUND"


def test_unchanged_file_is_304(reader: FlaskClient) -> None:
    with reader.get("/docs/swagger-ui.css") as answer:
        tag = answer.headers["ETag"]
        assert answer.headers["Cache-Control"] == "public, max-age=86400"
    with reader.get("/docs/swagger-ui.css", headers={"If-None-Match": tag}) as answer:
        assert (answer.status_code, answer.data) == (304, b"")


@pytest.mark.parametrize(
    "wanted", ["bytes=0-10", "bytes=99999999-", "bytes=-0", "bytes=5-1", "lines=1-2", "bytes=,"]
)
def test_ranges_are_ignored(reader: FlaskClient, wanted: str) -> None:
    with reader.get("/docs/swagger-ui.css", headers={"Range": wanted}) as answer:
        assert answer.status_code == 200
        assert len(answer.data) > 10_000


def test_crawlers_are_asked_to_leave_the_api_alone(reader: FlaskClient) -> None:
    assert text_of(reader, "/robots.txt") == "User-agent: *\nDisallow: /api/\nDisallow: /docs\n"


def test_without_a_contact_there_is_no_security_txt(reader: FlaskClient) -> None:
    assert reader.get("/.well-known/security.txt").status_code == 404


@pytest.mark.parametrize("contact", ["mailto:security@example.org", "https://example.org/report"])
def test_security_txt_names_the_contact_and_ends_within_a_year(make_app: AppFactory, contact: str) -> None:
    answer = make_app(SECURITY_CONTACT=contact).test_client().get("/.well-known/security.txt")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"] == contact
    expires = datetime.fromisoformat(fields["Expires"])
    assert expires.tzinfo is UTC or expires.utcoffset() == timedelta(0)
    assert timedelta(days=30) < expires - clock.now() < timedelta(days=365)


@pytest.mark.parametrize("path", ["/docs", "/docs/start.js", "/robots.txt", "/api/v1/openapi.json"])
def test_head_answers_as_get_without_a_body(reader: FlaskClient, path: str) -> None:
    with reader.get(path) as got, reader.head(path) as asked:
        assert (asked.status_code, asked.data) == (200, b"")
        assert asked.headers["Content-Length"] == got.headers["Content-Length"]


def test_specification_is_revalidated_by_its_etag(reader: FlaskClient) -> None:
    first = reader.get("/api/v1/openapi.json")
    assert first.headers["Cache-Control"] == "no-cache"
    again = reader.get("/api/v1/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
