"""Nginx > Gunicorn, as in production."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.e2e.processes import ROOT, running
from tests.servers import free_port, wait_for_port
from tests.system.proxy import LISTED_ORIGINS, Proxy, Spy, make_certificate, nginx


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def spy(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spy]:
    """A relay to a production Gunicorn, with its worker beside it."""
    folder = tmp_path_factory.mktemp("application")
    shutil.copy(sqlite_template, folder / "slugline.db")
    port = free_port()
    own = {
        "FLASK_CONFIG": "production",
        "PUBLIC_URL": "https://127.0.0.1",
        "PROXY_HOPS": "1",
        "CORS_ORIGINS": ",".join(LISTED_ORIGINS),
        "WEB_BIND": f"127.0.0.1:{port}",
        "LIMIT_ANONYMOUS": "none",
        "PATH": os.environ["PATH"],
    }
    variables = {**environment(f"sqlite:///{folder}/slugline.db", folder), **own}
    web = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    worker = [sys.executable, "-m", "flask", "worker"]
    with ExitStack() as stack:
        stack.enter_context(running(web, variables, ROOT, folder / "web.log"))
        stack.enter_context(running(worker, variables, ROOT, folder / "worker.log"))
        wait_for_port(port, 30)
        yield stack.enter_context(Spy(port).relaying())


@pytest.fixture(scope="session")
def proxy(spy: Spy, tls: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with nginx(spy.port, tls, tmp_path_factory.mktemp("nginx")) as running_proxy:
        yield running_proxy
