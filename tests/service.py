"""Slugline as it runs: Gunicorn and the worker as real processes, which a test kills and starts again.

The listening socket belongs to the test and is inherited, as under `deploy/supervise.py`: while no web process
runs, visitors wait in the backlog.
"""

import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import pytest

from app import create_app
from app.database import metadata
from app.extensions import db
from config import load
from tests.conftest import PASSWORD, environment, new_postgres_database
from tests.e2e.processes import PATIENCE, ROOT, children, eventually, having
from tests.servers import postgresql

ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.deployed)]
"""Of the tests with processes: `make test` has the time for one."""
BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Program:
    """One command, its process of the moment, and the log of all its starts."""

    def __init__(
        self, command: list[str], variables: Mapping[str, str], log: Path, inherited: tuple[int, ...] = ()
    ) -> None:
        self._command = command
        self._variables = dict(variables)
        self._inherited = inherited
        self._process: subprocess.Popen[bytes] | None = None
        self.log = log
        self.starts = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._variables,
                pass_fds=self._inherited,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.starts += 1

    def kill(self) -> None:
        """kill -9, with no chance to write or to tell its children."""
        self._send(signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def stop(self) -> int:
        """TERM; return the exit status."""
        self.terminate()
        return self.wait()

    def wait(self) -> int:
        """The exit status of the process, 0 where none was started."""
        return self._process.wait(PATIENCE) if self._process else 0

    def _send(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    def tail(self) -> str:
        """The last of the log, for a failure's report."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else "(none)"

    def says(self, text: str) -> int:
        """How often `text` stands in the log."""
        return self.log.read_text(errors="replace").count(text)


class Service:
    """The two programs of one installation, and how to call it."""

    def __init__(
        self, variables: Mapping[str, str], folder: Path, application: str = "wsgi:app", public_url: str = ""
    ) -> None:
        """`public_url`: where visitors come from elsewhere than this machine, through a proxy."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self._numbers = itertools.count(1)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {"PUBLIC_URL": public_url or self.base, "WEB_BIND": f"fd://{self._listener.fileno()}"}
        self.variables = {**kept, **variables, **own}
        web = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", application]
        worker = [sys.executable, "-m", "flask", "worker"]
        self.web = Program(web, self.variables, folder / "web.log", (self._listener.fileno(),))
        self.worker = Program(worker, self.variables, folder / "worker.log")

    @property
    def database_url(self) -> str:
        return self.variables["DATABASE_URL"]

    @property
    def spool(self) -> Path:
        return Path(self.variables.get("SPOOL_DIR", f"{self.variables['DATA_DIR']}/spool"))

    def start(self) -> None:
        """Start both, and wait until both are at work."""
        self.web.start()
        self.worker.start()
        self.wait_for_web()
        self.wait_for_worker()

    def wait_for_web(self) -> None:
        eventually(lambda: self.call("GET", "/readyz").status == 200)

    def wait_for_worker(self) -> None:
        """Until the worker that was started last ingests."""
        eventually(lambda: self.worker.says("ingester started") >= self.worker.starts)

    def web_processes(self) -> list[int]:
        """The processes that answer requests, without those of a master that was killed."""
        return children(self.web.pid)

    def clients(self, pid: int) -> set[int]:
        """The ports of the connections that the process has accepted."""
        ours = _connections(self.port)
        return {ours[inode] for inode in _sockets(pid) if inode in ours}

    def restart_worker(self) -> None:
        self.worker.start()
        self.wait_for_worker()

    def connect(self) -> HTTPConnection:
        """A keep-alive connection: all its requests go to the one web process that took it."""
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        connection: HTTPConnection | None = None,
    ) -> Answer:
        """One request, on a connection of its own unless one is given; `body` is sent as JSON."""
        own = {"User-Agent": BROWSER, **(headers or {})}
        if token:
            own["Authorization"] = f"Bearer {token}"
        if body is not None:
            own["Content-Type"] = "application/json"
        used = connection or self.connect()
        try:
            used.request(method, path, None if body is None else json.dumps(body), own)
            response = used.getresponse()
            lower = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lower, response.read())
        finally:
            if connection is None:
                used.close()

    def sign_up(self, email: str | None = None) -> str:
        """Register somebody and sign in; return the access token."""
        email = email or f"ada{next(self._numbers)}@example.org"
        account = {"email": email, "password": PASSWORD}
        assert self.call("POST", "/api/v1/auth/register", body=account).status == 201
        return str(self.call("POST", "/api/v1/auth/login", body=account).json["access_token"])

    def link(self, token: str, **fields: Any) -> str:
        """Make a link; return its code."""
        made = self.call("POST", "/api/v1/links", token=token, body={"url": "https://example.org/", **fields})
        assert made.status == 201, made.body
        return str(made.json["code"])

    def visit(self, code: str, query: str = "", connection: HTTPConnection | None = None) -> Answer:
        return self.call("GET", f"/s/{code}{'?' if query else ''}{query}", connection=connection)

    def clicks(self, token: str, code: str) -> int:
        """What the stats say."""
        answer = self.call("GET", f"/api/v1/links/{code}/stats", token=token)
        assert answer.status == 200, answer.body
        return int(answer.json["totals"]["clicks"])

    def drain(self) -> None:
        """Stop the web processes, wait until the worker stored their last click, stop it too."""
        self.web.stop()
        eventually(lambda: not self._spool_files())
        self.worker.stop()

    def _spool_files(self) -> list[Path]:
        return list(self.spool.glob("*.spool"))

    def close(self) -> None:
        """End what still runs. Raises AssertionError when a process outlives its TERM; it is killed then."""
        data = self.variables["DATA_DIR"]
        self._listener.close()
        try:
            for program in (self.web, self.worker):
                program.terminate()
            # To look for what is left means reading of every process of the machine: once these two are gone.
            eventually(lambda: not (self.web.runs or self.worker.runs or having("DATA_DIR", data)))
        finally:
            for pid in having("DATA_DIR", data):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for program in (self.web, self.worker):
                program.wait()


def _connections(port: int) -> dict[int, int]:
    """The established connections to a loopback port: the server's inode of each, and the client's port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    own = f"0100007F:{port:04X}"
    return {int(line[9]): int(line[2][-4:], 16) for line in lines if line[1] == own and line[3] == "01"}


def _sockets(pid: int) -> set[int]:
    """The inodes of the process's sockets."""
    found = set()
    with suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                if (target := os.readlink(fd)).startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found


@contextmanager
def writing_elsewhere(database_url: str) -> Iterator[None]:
    """Hold a transaction that keeps every other writer out and lets readers in."""
    if database_url.startswith("sqlite"):
        held = sqlite3.connect(database_url.removeprefix("sqlite:///"), PATIENCE, isolation_level=None)
        held.execute("BEGIN IMMEDIATE")
        yield
        held.rollback()
        held.close()
        return
    # Where the worker has one of the tables and wants another, it shall be the one that gives way.
    last = f"-c deadlock_timeout={PATIENCE}s"
    with psycopg.connect(database_url.replace("+psycopg", ""), options=last) as connection:
        connection.execute(f"LOCK TABLE {', '.join(metadata.tables)} IN EXCLUSIVE MODE")
        yield
        connection.rollback()


def migrate(url: str, folder: Path) -> None:
    """Make the tables of a new database."""
    app = create_app(load(environment(url, folder)))
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()


@contextmanager
def new_database(engine: str, folder: Path) -> Iterator[str]:
    """The URL of a migrated database outside pytest; on PostgreSQL, of a server of its own."""
    with ExitStack() as stack:
        if engine == "postgresql":
            url = new_postgres_database(stack.enter_context(postgresql()))
        else:
            url = f"sqlite:///{folder}/slugline.db"
        migrate(url, folder)
        yield url


@contextmanager
def serving(
    database_url: str, folder: Path, application: str = "wsgi:app", **changes: str
) -> Iterator[Service]:
    """A running Slugline on a migrated database, its data in `folder`; `changes` are settings of the test's own.

    The development settings, so that nothing is as it is in tests only, but for limits, which are off.
    """
    own = {"FLASK_CONFIG": "development", "RATELIMIT_ENABLED": "false"}
    service = Service({**environment(database_url, folder), **own, **changes}, folder, application)
    try:
        service.start()
        yield service
    except BaseException as error:
        for program in (service.web, service.worker):
            error.add_note(f"--- the end of {program.log.name}\n{program.tail()}")
        raise
    finally:
        service.close()
