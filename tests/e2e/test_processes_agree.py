"""Two web processes: what one of them changed, the other one knows at its next request; a link that is remembered on
PostgreSQL as soon as that has told of the change."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest
import redis

from tests.conftest import PASSWORD
from tests.e2e.processes import PATIENCE, ROOT, eventually
from tests.servers import free_port
from tests.service import ENGINES, Service
from tests.stopwatch import stopwatch

CALLS = 20  # that a user may make in the test of limits
# Seconds in which a process may not know yet of a change of a link: the worst where no notification comes (ADR 7).
BEHIND = {"sqlite": 0.0, "postgresql": 1.1}


@pytest.fixture(scope="module", params=ENGINES)
def engine(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def service(engine, start, new_database, valkey_url) -> Service:
    with redis.Redis.from_url(valkey_url) as connection:
        connection.flushdb()  # the statistics of the engine before, whose ids were the same
    metrics = {"WORKER_METRICS_BIND": f"127.0.0.1:{free_port()}"}
    limits = {"LIMIT_USER": f"{CALLS}/day", "GUESSES_LOGIN_IP": "none"}
    limits |= dict.fromkeys(("LIMIT_ANONYMOUS", "LIMIT_REGISTER"), "none")
    return start(
        new_database(engine),
        WEB_WORKERS="2",
        RATELIMIT_ENABLED="true",
        REDIS_URL=valkey_url,
        **limits,
        **metrics,
    )


@pytest.fixture
def connections(service) -> Iterator[list[HTTPConnection]]:
    """A keep-alive connection to each web process."""
    with ExitStack() as stack:
        found: dict[int, HTTPConnection] = {}

        def both() -> bool:
            """Whether a further connection, where it went to the other process, makes them two."""
            connection = stack.enter_context(closing(service.connect()))
            service.call("GET", "/healthz", connection=connection)
            own = connection.sock.getsockname()[1]
            owner = next(pid for pid in service.web_processes() if own in service.clients(pid))
            if found.setdefault(owner, connection) is not connection:
                connection.close()
            return len(found) == 2

        eventually(both)
        yield list(found.values())


def counted(text: str, name: str) -> float:
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def metrics(service: Service, connection: HTTPConnection | None = None) -> str:
    text: str = service.call("GET", "/metrics", connection=connection).body.decode()
    return text


def stored_by_worker(service: Service) -> float:
    url = f"http://{service.variables['WORKER_METRICS_BIND']}/metrics"
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return counted(answer.read().decode(), "slugline_clicks_ingested_total")


@pytest.mark.asvs("7.4.1")
def test_an_ended_session_is_over_in_every_process_at_once(service, connections):
    token = service.sign_up()
    for connection in connections:
        assert service.call("GET", "/api/v1/users/me", token=token, connection=connection).status == 200
    logout = service.call("POST", "/api/v1/auth/logout", token=token, connection=connections[0])
    assert logout.status == 204
    for connection in connections:
        assert service.call("GET", "/api/v1/users/me", token=token, connection=connection).status == 401


def test_a_changed_password_ends_the_other_session_in_every_process_at_once(service, connections):
    account = {"email": "eve@example.org", "password": PASSWORD}
    token = service.sign_up(account["email"])
    other = service.call("POST", "/api/v1/auth/login", body=account).json["access_token"]
    for connection in connections:
        assert service.call("GET", "/api/v1/users/me", token=other, connection=connection).status == 200
    change = {"current_password": PASSWORD, "new_password": "another horse, another battery"}
    changed = service.call(
        "PUT", "/api/v1/users/me/password", token=token, body=change, connection=connections[0]
    )
    assert changed.status == 204
    for connection in connections:
        assert service.call("GET", "/api/v1/users/me", token=other, connection=connection).status == 401
        assert service.call("GET", "/api/v1/users/me", token=token, connection=connection).status == 200


def test_a_change_of_a_link_is_obeyed_by_the_redirects_of_every_process(service, engine, connections):
    token, manager = service.sign_up(), service.sign_up("manager@example.org")
    command = [sys.executable, "-m", "flask", "users", "set-role", "manager@example.org", "manager"]
    subprocess.run(command, cwd=ROOT, env=service.variables, check=True, capture_output=True)
    code = service.link(token)
    path = f"/api/v1/links/{code}"

    def told() -> list[tuple[int, str | None]]:
        answers = [service.visit(code, connection=connection) for connection in connections]
        return [(answer.status, answer.headers.get("location")) for answer in answers]

    new = "https://example.org/new"
    for who, method, where, body, expected in (
        (token, "PATCH", path, {"url": new}, (302, new)),
        (token, "PATCH", path, {"enabled": False}, (410, None)),
        (token, "PATCH", path, {"enabled": True}, (302, new)),
        (manager, "PUT", f"{path}/block", {"reason": "Phishing."}, (451, None)),
        (manager, "DELETE", f"{path}/block", None, (302, new)),
        (token, "DELETE", path, None, (410, None)),
        (token, "POST", f"{path}/restore", None, (302, new)),
    ):
        before = told()  # and now both remember it
        assert before == told()
        answer = service.call(method, where, token=who, body=body, connection=connections[0])
        assert answer.status < 300, answer.body
        with stopwatch() as taken:
            while told() != [expected] * 2:
                assert taken() < BEHIND[engine]


def test_processes_share_the_limits(service, connections):
    token = service.sign_up()
    statuses = [
        service.call("GET", "/api/v1/users/me", token=token, connection=connections[turn % 2]).status
        for turn in range(CALLS + 2)
    ]
    assert statuses == [200] * CALLS + [429] * 2


def test_a_click_that_the_worker_stored_shows_in_the_next_answer_of_every_process(service, connections):
    token = service.sign_up()
    code = service.link(token)

    def told() -> list[int]:
        path = f"/api/v1/links/{code}/stats"
        answers = [service.call("GET", path, token=token, connection=one) for one in connections]
        return [answer.json["totals"]["clicks"] for answer in answers]

    for number in range(4):
        assert told() == [number] * 2  # and now both remember it
        before = stored_by_worker(service)
        service.visit(code)
        eventually(lambda before=before: stored_by_worker(service) > before)
    assert told() == [4] * 2
    assert 'slugline_cache_reads_total{cache="facets",outcome="hit"}' in metrics(service)


def test_metrics_speak_for_both_processes_and_the_worker_for_itself(service, connections):
    def of_web(connection: HTTPConnection) -> float:
        return counted(metrics(service, connection), "slugline_clicks_spooled_total")

    code = service.link(service.sign_up("metrics@example.org"))
    before = of_web(connections[0])
    for connection in connections:
        assert service.visit(code, connection=connection).status == 302
    assert {of_web(connection) for connection in connections} == {before + 2}

    eventually(lambda: stored_by_worker(service) >= 2)
