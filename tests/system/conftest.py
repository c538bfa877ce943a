"""Nginx > Gunicorn, as in production; and a real Chromium, whose complaints fail a test."""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.conftest import environment
from tests.e2e.processes import PATIENCE, ROOT, eventually, running
from tests.servers import free_port
from tests.service import Service
from tests.system.proxy import LISTED_ORIGINS, Proxy, Spy, make_certificate, nginx, shared_folder

ARGUMENTS = [
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder is."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.deployed)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


class Web(NamedTuple):
    """Where a Gunicorn listens."""

    port: int
    socket: Path


@pytest.fixture(scope="session")
def application(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A production Gunicorn that listens as in docker-compose.yml, with its worker beside it."""
    folder = tmp_path_factory.mktemp("application")
    shutil.copy(sqlite_template, folder / "slugline.db")
    own = {
        "FLASK_CONFIG": "production",
        "PUBLIC_URL": "https://127.0.0.1",
        "PROXY_HOPS": "1",
        "CORS_ORIGINS": ",".join(LISTED_ORIGINS),
        "LIMIT_ANONYMOUS": "none",
        "LIMIT_REGISTER": "none",
        "PATH": os.environ["PATH"],
    }
    variables = {**environment(f"sqlite:///{folder}/slugline.db", folder), **own}
    web = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    worker = [sys.executable, "-m", "flask", "worker"]
    log = folder / "web.log"
    with ExitStack() as stack:
        listening = Web(free_port(), stack.enter_context(shared_folder()) / "web.sock")
        variables["WEB_BIND"] = f"127.0.0.1:{listening.port},unix:{listening.socket}"
        stack.enter_context(running(web, variables, ROOT, log))
        stack.enter_context(running(worker, variables, ROOT, folder / "worker.log"))
        try:
            eventually(lambda: "Booting worker" in log.read_text())
        except AssertionError as error:
            error.add_note(log.read_text())
            raise
        yield listening


@pytest.fixture(scope="session")
def spy(application: Web) -> Iterator[Spy]:
    with Spy(application.socket).relaying() as relay:
        yield relay


@pytest.fixture(scope="session")
def proxy(spy: Spy, tls: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Nginx by the unix socket, as Compose has it."""
    with nginx(spy.upstream, tls, tmp_path_factory.mktemp("nginx")) as running_proxy:
        yield running_proxy


@pytest.fixture(scope="session")
def proxy_by_tcp(application: Web, tls: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Another in front of the same Gunicorn."""
    with nginx(application.port, tls, tmp_path_factory.mktemp("nginx")) as running_proxy:
        yield running_proxy


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of another site, which has one page."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "index.html").write_text(
        "<!doctype html><link rel=icon href=data:,><title>Elsewhere</title><h1>Elsewhere</h1>"
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        assert chromium, "no chromium: apt-get install chromium"  # playwright would look for one of its own
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser found wrong; a test that wants a complaint takes it out."""
    return []


@pytest.fixture
def page(browser: Browser, service: Service, elsewhere: int, complaints: list[str]) -> Iterator[Page]:
    """A tab of a browser that has seen nothing yet."""
    hosts = {f"127.0.0.1:{service.port}", f"127.0.0.1:{elsewhere}", f"localhost:{elsewhere}"}

    def said(message: ConsoleMessage) -> None:
        # That an answer was a 404 is news to the console, but no fault.
        if (
            message.type in ("error", "warning")
            and "the server responded with a status of" not in message.text
        ):
            complaints.append(message.text)

    def asked(request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and url.netloc not in hosts:
            complaints.append(f"a request to {request.url}")

    with browser.new_context(viewport={"width": 1000, "height": 800}) as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE * 1000)
        tab.on("console", said)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", asked)
        yield tab
    assert complaints == []


def take_out(page: Page, complaints: list[str], *expected: str) -> None:
    """Wait until the browser has complained of each of `expected`, and of no more, in whichever order."""

    def told() -> bool:
        page.evaluate("0")  # meanwhile what it said arrives
        known = [text for said in complaints for text in set(expected) if text in said]
        return len(complaints) == len(known) and sorted(known) == sorted(expected)

    eventually(told)
    complaints.clear()


@pytest.fixture
def look(page: Page, tmp_path: Path) -> Callable[[str], None]:
    """Keep a picture, for a person to judge: ``pytest tests/system/test_browser.py --basetemp=pictures``."""
    return lambda name: page.screenshot(path=tmp_path / f"{name}.png") and None
