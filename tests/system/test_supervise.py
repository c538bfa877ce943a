"""deploy/supervise.py, what `make run` starts: both processes stay up, and none outlives it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import environment
from tests.e2e.processes import (
    PATIENCE,
    ROOT,
    child,
    children,
    eventually,
    having,
    running,
    wait_until_ready,
)
from tests.servers import free_port
from tests.stopwatch import stopwatch

COMMAND = [sys.executable, "deploy/supervise.py"]
RESTART_WITHIN = 1.0  # seconds, the promise of docs/architecture.md


class Run(NamedTuple):
    process: subprocess.Popen[bytes]
    base: str
    log: Path
    variables: dict[str, str]

    def pid(self, word: str) -> int:
        return eventually(lambda: child(self.process.pid, word))

    def answers(self, path: str = "/healthz") -> bool:
        try:
            with urllib.request.urlopen(f"{self.base}{path}", timeout=PATIENCE) as response:
                return bool(response.status == 200)
        except urllib.error.URLError:
            return False

    def nobody_left(self) -> bool:
        return not having("DATA_DIR", self.variables["DATA_DIR"])


@pytest.fixture
def variables(sqlite_url: str, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME")}
    port = str(free_port())
    own = {"FLASK_CONFIG": "development", "PORT": port, "PUBLIC_URL": f"http://127.0.0.1:{port}"}
    return {**kept, **environment(sqlite_url, tmp_path), **own}


@pytest.fixture
def run(variables: dict[str, str], tmp_path: Path) -> Iterator[Run]:
    log = tmp_path / "log"
    with running(COMMAND, variables, ROOT, log) as process:
        started = Run(process, f"http://127.0.0.1:{variables['PORT']}", log, variables)
        wait_until_ready(process, started.base, log)
        yield started


def killed(run: Run, word: str) -> float:
    """Kill the child whose command has `word`; return the seconds until another one runs in its place."""
    old = run.pid(word)
    with stopwatch() as taken:
        os.kill(old, signal.SIGKILL)
        eventually(lambda: child(run.process.pid, word) not in (None, old))
        return taken()


def test_a_killed_web_process_starts_again(run):
    assert killed(run, "gunicorn") < RESTART_WITHIN
    assert run.answers()


def test_no_visitor_is_refused_while_the_web_process_starts_again(run):
    """The socket is the supervisor's: connections wait in the backlog (those under way at the kill are lost)."""
    old = run.pid("gunicorn")
    os.kill(old, signal.SIGKILL)
    while child(run.process.pid, "gunicorn") in (None, old):
        socket.create_connection(("127.0.0.1", int(run.variables["PORT"])), PATIENCE).close()
        time.sleep(0.01)  # the backlog is long, not endless
    assert run.answers()


def test_a_killed_web_process_leaves_no_child_behind(run):
    grandchildren = eventually(lambda: children(run.pid("gunicorn")))
    for pid in grandchildren:
        os.kill(pid, signal.SIGSTOP)  # lest they end by themselves, as Gunicorn's do when they notice
    killed(run, "gunicorn")
    eventually(lambda: not set(grandchildren) & set(having("DATA_DIR", run.variables["DATA_DIR"])))


def test_a_killed_worker_starts_again(run):
    assert killed(run, "flask") < RESTART_WITHIN


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_in_good_order(run, number):
    run.process.send_signal(number)
    assert run.process.wait(PATIENCE) == 0
    assert run.nobody_left()


def test_a_signal_while_starting_ends_all(variables, tmp_path):
    with running(COMMAND, variables, ROOT, tmp_path / "log") as process:
        eventually(lambda: child(process.pid, "gunicorn"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert not having("DATA_DIR", variables["DATA_DIR"])


def test_all_end_when_the_supervisor_itself_is_killed(run):
    run.process.kill()
    run.process.wait()
    eventually(run.nobody_left)


def refused(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.parametrize(
    ("name", "value"), [("WEB_THREADS", "many"), ("PORT", "http"), ("PORT", "70000"), ("JWT_SECRET", "short")]
)
def test_a_bad_setting_ends_it_and_is_named(variables, name, value):
    result = refused({**variables, name: value})
    assert result.returncode == 1
    assert name in result.stderr


def test_a_taken_port_is_named(run, variables):
    result = refused(variables)
    assert result.returncode == 1
    assert f"127.0.0.1:{variables['PORT']}" in result.stderr


def test_the_greeting_names_where_to_go(run):
    eventually(lambda: f"{run.base}/docs" in run.log.read_text())
