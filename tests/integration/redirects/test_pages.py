"""The pages people see: what stands in them, who may read it, and that nothing of a link can act in them."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import clock
from tests.integration.redirects.made import PASSWORD, TARGET, LinkFactory, Spooled

HOSTILE = "https://example.com/?a='&b=\"><script>alert(1)</script>&c=%E2%80%AE"
PAGES = ["nope", "gone", "limited", "protected", "open+", "limited+", "protected+"]
VOID = {"meta", "input"}


class Outline(HTMLParser):
    """The elements of a page with their attributes, the text of each, and whether tags are balanced."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine will do: a page is made of what was read."""
    return sqlite_url


@pytest.fixture
def pages(make_link: LinkFactory, browser: FlaskClient) -> dict[str, TestResponse]:
    make_link("open")
    make_link("gone", deleted_at=clock.now())
    make_link("limited", max_clicks=5)
    make_link("protected", PASSWORD)
    prefetch = {"Sec-Purpose": "prefetch"}
    found = {path: browser.get(f"/s/{path}", headers=prefetch) for path in PAGES}
    found["wrong password"] = browser.post("/s/protected", data={"password": "wrong"})
    return found


def test_every_page_is_whole_and_accessible(pages: dict[str, TestResponse]) -> None:
    for name, response in pages.items():
        outline = Outline(response.text)
        assert outline.open == [], name
        assert outline.all("html") == [{"lang": "en"}], name
        assert len(outline.all("main")) == len(outline.all("h1")) == 1, name
        assert outline.text["title"] == outline.text["h1"] != "", name
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in outline.all(
            "meta"
        ), name
        labelled = {label["for"] for label in outline.all("label")}
        assert {control["id"] for control in outline.all("input")} == labelled, name
        assert response.content_type == "text/html; charset=utf-8", name


@pytest.mark.asvs("3.4.3", "14.2.3")
def test_every_page_is_private_and_runs_nothing(pages: dict[str, TestResponse]) -> None:
    for name, response in pages.items():
        headers, outline = response.headers, Outline(response.text)
        policy = dict(
            part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";")
        )
        digest = base64.b64encode(hashlib.sha256(outline.text["style"].encode()).digest()).decode()
        assert policy == {
            "default-src": "'none'",
            "style-src": f"'sha256-{digest}'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }, name
        assert (headers["Cache-Control"], headers["X-Robots-Tag"]) == ("no-store", "noindex"), name
        assert headers["X-Content-Type-Options"] == "nosniff", name
        assert headers["X-Frame-Options"] == "DENY", name
        assert "Set-Cookie" not in headers, name
        assert not re.search(r"<script|<iframe|<img|<link|\son\w+=|\sstyle=", response.text), name


def test_password_page_lets_its_own_form_name_its_origin(pages: dict[str, TestResponse]) -> None:
    referrers = {name: response.headers["Referrer-Policy"] for name, response in pages.items()}
    assert referrers["protected"] == referrers["wrong password"] == "same-origin"
    assert {referrers[name] for name in PAGES if name != "protected"} == {"no-referrer"}


def test_password_form_posts_to_the_very_same_url(pages: dict[str, TestResponse]) -> None:
    for name in ("protected", "wrong password"):
        assert Outline(pages[name].text).all("form") == [{"method": "post"}]


def test_wrong_password_is_tied_to_its_field(pages: dict[str, TestResponse]) -> None:
    outline = Outline(pages["wrong password"].text)
    (control,) = outline.all("input")
    assert (control["aria-invalid"], control["aria-describedby"]) == ("true", "problem")
    assert {"class": "problem", "id": "problem", "role": "alert"} in outline.all("p")


@pytest.mark.asvs("3.2.2")
def test_preview_shows_the_target_as_text_and_leads_through_the_link(
    make_link: LinkFactory, browser: FlaskClient, spooled: Spooled
) -> None:
    make_link("abc", url="https://xn--bcher-kva.example/%E2%80%AE?q=1#f", title="<b>My bank</b>")
    for path in ("/s/abc+", "/s/abc%2B", "/s/abc+?utm=1"):
        outline = Outline(browser.get(path).text)
        assert outline.text["code"] == "https://xn--bcher-kva.example/%E2%80%AE?q=1#f"
        assert [link["href"] for link in outline.all("a")] == ["/s/abc"]
    assert spooled() == []


def test_preview_hides_the_target_of_limited_and_protected_links(
    make_link: LinkFactory, browser: FlaskClient
) -> None:
    make_link("limited", max_clicks=5)
    make_link("protected", PASSWORD)
    make_link("both", PASSWORD, max_clicks=5)
    for code in ("limited", "protected", "both"):
        response = browser.get(f"/s/{code}+")
        assert response.status_code == 200
        assert TARGET not in response.text
        assert "not shown" in response.text


@pytest.mark.asvs("1.1.2", "1.2.1")
def test_preview_of_a_hostile_target_is_inert(make_link: LinkFactory, browser: FlaskClient) -> None:
    make_link("abc", url=HOSTILE)
    response = browser.get("/s/abc+")
    outline = Outline(response.text)
    assert outline.all("script") == []
    assert outline.text["code"] == HOSTILE
    assert "<script" not in response.text


@pytest.mark.asvs("1.2.1", "3.2.2")
def test_hostile_request_is_not_repeated_in_a_page(make_link: LinkFactory, browser: FlaskClient) -> None:
    make_link("limited", max_clicks=5)
    evil = "<script>alert(1)</script>"
    agent = {"User-Agent": f"Twitterbot {evil}", "Referer": evil, "X-Request-ID": evil}
    for path in (f"/s/{evil}", "/s/nope", "/s/limited", "/s/limited+"):
        assert evil not in browser.get(path, query_string={"q": evil}, headers=agent).text


def test_limited_page_leads_to_the_same_url_again(pages: dict[str, TestResponse]) -> None:
    outline = Outline(pages["limited"].text)
    assert [link["href"] for link in outline.all("a")] == [""]
    assert TARGET not in pages["limited"].text
