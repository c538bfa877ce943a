"""What a person and a page of another origin do with Slugline in a real Chromium: CORS, Swagger UI, visitors' pages.

Each test fails on whatever the browser complains of in its console (a blocked style, a refused request) and on a
request to any host that is not ours.
"""

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, sync_playwright

from tests.conftest import PASSWORD
from tests.service import Service, serving

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LINK_PASSWORD = "a link's password"

# A frontend's own call: signs in by bearer token, makes a link, and reads the headers that CORS exposes.
SIGN_IN_AND_SHORTEN = """
async ([base, account]) => {
    const call = (method, path, body, token) => fetch(base + "/api/v1" + path, {
        method,
        headers: {"Content-Type": "application/json", ...(token && {Authorization: "Bearer " + token})},
        body: JSON.stringify(body),
    });
    await call("POST", "/auth/register", account);
    const tokens = await (await call("POST", "/auth/login", account)).json();
    const made = await call("POST", "/links", {url: "https://example.org/"}, tokens.access_token);
    const refused = await call("PATCH", "/links/none", {}, tokens.access_token);
    const names = ["Location", "X-Request-ID", "RateLimit", "RateLimit-Policy", "X-Error-Code"];
    const read = answer => Object.fromEntries(names.map(name => [name, answer.headers.get(name)]));
    return {made: [made.status, read(made)], refused: [refused.status, read(refused)]};
}
"""


class Target(SimpleHTTPRequestHandler):
    """Pages of somebody else."""

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of another site."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "index.html").write_text("<!doctype html><link rel=icon href=data:,><title>Elsewhere</title><h1>Elsewhere</h1>")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Target, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def service(
    elsewhere: int, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("browsed")
    shutil.copy(sqlite_template, folder / "slugline.db")
    own = {
        "CORS_ORIGINS": f"http://localhost:{elsewhere}",
        "RATELIMIT_ENABLED": "true",
        "LIMIT_ANONYMOUS": "10000/minute",
    }
    with serving(f"sqlite:///{folder}/slugline.db", folder, **own) as running:
        yield running


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    return service.sign_up()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, service: Service, elsewhere: int) -> Iterator[Page]:
    """A fresh tab that must have nothing to complain of."""
    complaints: list[str] = []
    own = (f"127.0.0.1:{service.port}", f"127.0.0.1:{elsewhere}", f"localhost:{elsewhere}")
    with browser.new_context(viewport={"width": 1000, "height": 800}) as context:
        tab = context.new_page()
        tab.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda asked: None if asked.url.split("/")[2] in own or asked.url.startswith("data:") else complaints.append(asked.url))
        tab.complaints = complaints
        yield tab
    assert complaints == []


def look(page: Page, folder: Path, name: str) -> None:
    """Keep a picture: ``pytest --basetemp=pictures tests/system/test_browser.py``, then look at it."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def test_a_page_of_a_listed_origin_signs_in_and_reads_the_headers(page, service, elsewhere):
    page.goto(f"http://localhost:{elsewhere}/")
    account = {"email": "page@example.org", "password": PASSWORD}
    answers = page.evaluate(SIGN_IN_AND_SHORTEN, [service.base, account])
    print(answers, page.complaints)


def test_swagger(page, service, tmp_path):
    page.goto(f"{service.base}/docs")
    page.wait_for_selector(".opblock")
    look(page, tmp_path, "docs")
    print(tmp_path, page.complaints)


def test_pages(page, service, token, elsewhere, tmp_path):
    target = f"http://127.0.0.1:{elsewhere}/"
    code = service.link(token, url=target, password=LINK_PASSWORD)
    a = page.goto(f"{service.base}/s/none")
    print(a.status); look(page, tmp_path, "404")
    print(page.complaints)
    page.goto(f"{service.base}/s/{code}")
    look(page, tmp_path, "password")
    page.fill("input[type=password]", "wrong password")
    page.press("input[type=password]", "Enter")
    page.wait_for_load_state()
    look(page, tmp_path, "wrong")
    page.fill("input[type=password]", LINK_PASSWORD)
    page.press("input[type=password]", "Enter")
    page.wait_for_url(target)
    look(page, tmp_path, "there")
    code = service.link(token, url=target)
    page.goto(f"{service.base}/s/{code}+")
    look(page, tmp_path, "preview")
    print(page.complaints)
