"""What is left when a part is gone: a full or unwritable spool, a stopped PostgreSQL."""

import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.clicks import spool
from tests.conftest import new_postgres_database
from tests.e2e.processes import eventually
from tests.servers import PostgreSQL, postgresql_server
from tests.service import Service, migrate

VISITS = 20
UNLIMITED = resource.RLIM_INFINITY


def lost(service: Service) -> float:
    """`slugline_clicks_lost` of the one web process."""
    metrics = service.call("GET", "/metrics").body.decode()
    return next(
        float(line.split()[1])
        for line in metrics.splitlines()
        if line.startswith("slugline_clicks_lost_total ")
    )


def follow(service: Service, code: str, times: int = VISITS) -> list[int]:
    return [service.visit(code).status for _ in range(times)]


def failing_parts(service: Service) -> list[str]:
    """What /readyz names; nothing while it is ready."""
    answer = service.call("GET", "/readyz")
    return [detail["field"] for detail in answer.json["error"]["details"]] if answer.status == 503 else []


def test_a_spool_that_cannot_be_made_costs_clicks_but_no_redirect(service):
    """A file stands where its folder should be: that stops root too."""
    code = service.link(service.sign_up())
    before, said_before = lost(service), service.web.says("click lost")
    service.spool.rename(service.spool.with_name("moved"))
    service.spool.write_text("in the way")
    began = time.monotonic()
    assert follow(service, code) == [302] * VISITS
    assert lost(service) - before == VISITS
    periods = 1 + int((time.monotonic() - began) / spool._LOG_PERIOD)
    said = service.web.says("click lost")
    assert said and said - said_before <= periods  # not once for each click
    assert failing_parts(service) == ["spool"]
    service.spool.unlink()
    service.spool.with_name("moved").rename(service.spool)
    assert failing_parts(service) == []


def test_a_full_disk_costs_clicks_but_no_redirect_and_what_follows_is_counted(service):
    token = service.sign_up()
    code = service.link(token)
    before = lost(service)
    follow(service, code, 1)
    (web,) = service.web_processes()
    resource.prlimit(web, resource.RLIMIT_FSIZE, (0, UNLIMITED))  # no file may grow
    assert follow(service, code) == [302] * VISITS
    assert failing_parts(service) == ["spool"]
    resource.prlimit(web, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
    assert lost(service) - before == VISITS
    assert failing_parts(service) == []
    follow(service, code)
    eventually(lambda: service.clicks(token, code) == 1 + VISITS)


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    """A PostgreSQL that only this test stops."""
    with postgresql_server() as running:
        yield running


@pytest.fixture
def own_postgres_url(server: PostgreSQL, tmp_path: Path) -> str:
    url = new_postgres_database(server.url)
    migrate(url, tmp_path)
    return url


@pytest.mark.deployed
@pytest.mark.asvs("16.5.2")
def test_a_stopped_database_is_a_503_and_costs_no_click(start, server, own_postgres_url):
    service = start(own_postgres_url)
    token = service.sign_up()
    code = service.link(token)

    def at_once() -> list[tuple[int, int]]:
        """A redirect and an API call from each of eight threads, so that the pool's connections are used."""

        def one(_number: int) -> tuple[int, int]:
            return service.visit(code).status, service.call("GET", "/api/v1/users/me", token=token).status

        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(one, range(40)))

    service.worker.stop()
    assert set(at_once()) == {(302, 200)}

    server.stop()
    eventually(lambda: service.visit(code).status == 503)  # for a second at most it is known without asking
    spooled = [path.read_bytes() for path in service.spool.glob("*.spool")]
    page, refusal = service.visit(code), service.call("GET", "/api/v1/users/me", token=token)
    assert (page.status, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert (refusal.status, refusal.json["error"]["code"]) == (503, "UNAVAILABLE")
    assert int(refusal.headers["retry-after"]) > 0
    assert service.call("GET", "/healthz").status == 200
    assert failing_parts(service) == ["database", "migrations"]
    service.worker.start()  # it starts without a database too, and waits
    eventually(lambda: service.worker.says("ingest failed"))
    assert [path.read_bytes() for path in service.spool.glob("*.spool")] == spooled

    server.start()
    assert set(at_once()) == {(302, 200)}
    answered = 40 + sum(content.count(b"\n") for content in spooled)
    eventually(lambda: service.clicks(token, code) == answered)
