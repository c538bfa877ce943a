"""Where the door stands and what it costs: prefix, hosts, look-ups, and what may not hold a redirect up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app import database
from app.extensions import db
from app.links import domains
from app.redirects.wsgi import PlainHits
from tests.conftest import AppFactory
from tests.e2e.processes import PATIENCE
from tests.integration.redirects.made import TARGET, LinkFactory, Spooled
from tests.stopwatch import stopwatch
from tests.watching import statements

OTHER = "https://example.com/other"
AT_ONCE = 2.0  # seconds for five answers; a writer that waits gives up after 5
HELD_UP = 0.5  # seconds
HOSTS = {
    "sho.rt": TARGET,
    "localhost:8000": TARGET,
    "192.0.2.1": TARGET,
    "unknown.example": TARGET,
    "go.example.org": OTHER,
    "GO.EXAMPLE.ORG:8443": OTHER,
    "go.example.org.": OTHER,
    "go.example.org.evil.example": TARGET,
    "go.example.org\x00": TARGET,
    "' OR 1=1 --": TARGET,
    "[::1\x00]": TARGET,
    "": TARGET,
}


@contextmanager
def write_transaction(app: Flask) -> Iterator[None]:
    """Hold a write transaction that touches links, on the engine of `app`."""
    with app.app_context(), database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE links IN EXCLUSIVE MODE"))
        connection.execute(text("UPDATE links SET title = 'held'"))
        yield


def test_flask_route_costs_one_read(app: Flask, make_link: LinkFactory, browser: FlaskClient) -> None:
    make_link("abc")
    with statements(app) as seen:
        browser.head("/s/abc?x=1")
    (statement,) = seen
    assert statement.startswith("SELECT links.id")


def test_unknown_code_is_not_looked_up_again_behind_the_fast_entrance(
    app: Flask, client: FlaskClient
) -> None:
    client.get("/s/warm")
    with statements(app) as seen:
        assert client.get("/s/unknown").status_code == 404
        assert [statement for statement in seen if statement.startswith("SELECT links.id")] == []
        client.head("/s/unknown")  # the control: the fast entrance takes no HEAD
        assert [statement for statement in seen if statement.startswith("SELECT links.id")]


def test_what_is_no_code_never_reaches_the_database(app: Flask, client: FlaskClient) -> None:
    with statements(app) as seen:
        for path in ("a.b", "abc%0A", "abc%00", "%C3%A9", "x" * 65, "", "a/b", "abc++"):
            assert client.get(f"/s/{path}").status_code == 404
    assert seen == []


def test_redirect_does_not_wait_for_a_writer(
    app: Flask, make_link: LinkFactory, client: FlaskClient, spooled: Spooled
) -> None:
    make_link("abc")
    make_link("limited", max_clicks=5)
    doors = [
        ("GET", "/s/abc"),
        ("HEAD", "/s/abc"),
        ("GET", "/s/abc+"),
        ("HEAD", "/s/limited"),
        ("GET", "/s/nope"),
    ]
    with write_transaction(app), stopwatch() as taken:
        statuses = [client.open(path, method=method).status_code for method, path in doors]
        assert taken() < AT_ONCE
    assert statuses == [302, 302, 200, 302, 404]
    assert [line.kind for line in spooled()] == ["click"]


def test_negative_control_a_held_writer_does_hold_up_what_writes(app: Flask, make_link: LinkFactory) -> None:
    make_link("limited", max_clicks=5)
    statuses: list[int] = []
    visitor = threading.Thread(
        target=lambda: statuses.append(app.test_client().get("/s/limited").status_code)
    )
    with write_transaction(app):
        visitor.start()
        visitor.join(HELD_UP)
        assert statuses == []
    visitor.join(PATIENCE)
    assert statuses == [302]


def test_spool_that_is_lost_does_not_break_the_redirect(
    app: Flask, make_link: LinkFactory, client: FlaskClient
) -> None:
    make_link("abc")
    folder = Path(app.config["SPOOL_DIR"])
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    assert client.get("/s/abc").headers["Location"] == TARGET


def test_host_chooses_among_known_domains(app: Flask, make_link: LinkFactory, client: FlaskClient) -> None:
    _add_domain(app, "go.example.org")
    make_link("abc")
    make_link("abc", host="go.example.org", url=OTHER)
    targets = {
        host: client.get("/s/abc", environ_overrides={"HTTP_HOST": host}).headers.get("Location")
        for host in HOSTS
    }
    assert targets == HOSTS


def test_domain_does_not_show_the_links_of_another(
    app: Flask, make_link: LinkFactory, client: FlaskClient
) -> None:
    _add_domain(app, "go.example.org")
    make_link("abc")
    make_link("own", host="go.example.org")
    assert client.get("/s/abc", headers={"Host": "go.example.org"}).status_code == 404
    assert client.get("/s/own", headers={"Host": "sho.rt"}).status_code == 404


@pytest.mark.asvs("4.1.3")
def test_no_header_of_a_proxy_chooses_the_domain(
    app: Flask, make_link: LinkFactory, client: FlaskClient
) -> None:
    _add_domain(app, "go.example.org")
    make_link("abc")
    make_link("abc", host="go.example.org", url=OTHER)
    forwarded = {"X-Forwarded-Host": "go.example.org", "Forwarded": "host=go.example.org"}
    assert client.get("/s/abc", headers=forwarded).headers["Location"] == TARGET


def test_prefix_is_a_setting(make_app: AppFactory, make_link: LinkFactory) -> None:
    make_link("abc")
    client = make_app(SHORT_PREFIX="go").test_client()
    assert client.get("/go/abc").status_code == 302
    assert 'href="/go/abc"' in client.get("/go/abc+").text
    assert client.get("/s/abc").status_code == 404


def test_empty_prefix_leaves_the_other_doors_alone(make_app: AppFactory, make_link: LinkFactory) -> None:
    make_link("abc")
    make_link("protected", "open sesame")
    client = make_app(SHORT_PREFIX="/").test_client()
    assert client.get("/abc").status_code == 302
    assert client.head("/abc").status_code == 302
    assert 'href="/abc"' in client.get("/abc+").text
    assert client.post("/protected", data={"password": "open sesame"}).status_code == 303
    assert client.get("/nope").mimetype == "text/html"
    assert client.get("/healthz").status_code == 200
    for path in ("/api/v1/typo", "/api/v1/links/typo/typo"):
        response = client.get(path)
        assert (response.status_code, response.json["error"]["code"]) == (404, "NOT_FOUND")


def _add_domain(app: Flask, host: str) -> None:
    with app.app_context():
        domains.add(host)
        db.session.commit()


@pytest.mark.parametrize("proto", ["https", "http", "", "http, https", "https, http", '"https"'])
def test_fast_entrance_forces_https_as_flask_does(
    make_app: AppFactory, make_link: LinkFactory, proto: str
) -> None:
    make_link("abc", redirect_status=301)
    app = make_app(FORCE_HTTPS="true", PROXY_HOPS="1", PUBLIC_URL="https://sho.rt")
    headers = {"X-Forwarded-Proto": proto, "X-Request-ID": "req_12345678"}
    through = app.test_client().get("/s/abc", headers=headers)
    assert isinstance(app.wsgi_app, PlainHits)
    app.wsgi_app = app.wsgi_app.behind  # type: ignore[method-assign]  # Flask's own way
    behind = app.test_client().get("/s/abc", headers=headers)
    assert (through.status, list(through.headers)) == (behind.status, list(behind.headers))
    assert ("Strict-Transport-Security" in through.headers) == proto.endswith(("https", '"https"'))
