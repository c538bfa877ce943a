"""Writers and workers killed -9 amid their work, or ending in good order: what was answered is stored, and nothing
twice."""

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from app.clicks.countries import countries
from app.clicks.ingest import Ingester
from app.clicks.spool import Spool
from app.clicks.worker import run_worker
from config import load
from tests.e2e.processes import eventually
from tests.integration.clicks.conftest import click, drain, queries
from tests.unit.clicks.conftest import fork


class Writer:
    """A process that appends clicks as fast as it is let, and tells each one that is safe."""

    def __init__(self, name: str, directory: Path) -> None:
        self._answers, tell = os.pipe()
        self.answered: list[str] = []
        self._pid = fork(lambda: self._write(name, directory, tell))
        os.close(tell)

    def kill(self) -> None:
        """Kill -9 and note what it had answered, a last line that was cut off left out."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        with os.fdopen(self._answers) as answers:
            self.answered = answers.read().rpartition("\n")[0].split()

    @staticmethod
    def _write(name: str, directory: Path, tell: int) -> None:
        spool = Spool(directory, max_bytes=50_000)  # some 300 lines: rotation is part of it
        for number in range(1_000_000):
            assert spool.append(click(f"{name}-{number}"))
            os.write(tell, f"{name}-{number}\n".encode())
            time.sleep(0.0005)


@pytest.fixture
def worker(app: Flask, settings: dict[str, str]) -> Iterator["Worker"]:
    one = Worker({**settings, "DATA_DIR": str(app.config["DATA_DIR"]), "LOG_LEVEL": "ERROR"})
    yield one
    one.kill()


class Worker:
    """A real worker process, which can be killed and started again; forked, since another interpreter costs more
    to load than all that it does here."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        self._pid = 0

    def start(self) -> None:
        self._pid = fork(self._run)

    def kill(self) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0

    def _run(self) -> None:
        with create_app(load(self._settings)).app_context():
            run_worker(threading.Event(), [])


def wait_for_more_than(rows: int) -> None:
    eventually(lambda: len(queries()) > rows)


def test_what_was_answered_is_stored_once_whoever_is_killed(worker: Worker, spool_dir: Path) -> None:
    chance = random.Random(11)
    killed: list[Writer] = []
    for turn in range(2):
        writers = [Writer(f"{turn}{name}", spool_dir) for name in "ab"]
        worker.start()
        wait_for_more_than(len(queries()))
        time.sleep(chance.random() / 2)
        worker.kill()
        for writer in writers:
            time.sleep(chance.random() / 20)
            writer.kill()
        killed += writers
    with Ingester(spool_dir, countries()) as ingester:
        drain(ingester)
    answered = {query for writer in killed for query in writer.answered}
    stored = Counter(queries())
    assert len(answered) > 500
    assert answered - stored.keys() == set()
    assert [query for query, times in stored.items() if times > 1] == []
    # A writer may die between its write and its answer: one click more than answered, each.
    assert len(stored) - len(answered) <= len(killed)
    assert list(spool_dir.glob("*.spool")) == []


def test_clicks_kept_in_memory_would_be_lost(spool_dir: Path) -> None:
    """The control: the same killing shows the loss when 100 lines at a time are written."""
    told, tell = os.pipe()

    def write() -> None:
        spool, kept = Spool(spool_dir), []
        for number in range(550):
            kept.append(click(str(number)))
            if len(kept) == 100:
                spool.append(b"".join(kept))
                kept = []
            os.write(tell, f"{number}\n".encode())
        time.sleep(600)

    pid = fork(write)
    os.close(tell)
    with os.fdopen(told) as answers:
        answered = [answers.readline().strip() for _ in range(550)]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with Ingester(spool_dir, countries()) as ingester:
        drain(ingester)
    assert sorted(set(answered) - set(queries())) == [str(number) for number in range(500, 550)]


def test_a_process_that_ends_waits_for_the_last_sync(tmp_path: Path) -> None:
    """As Gunicorn's workers end: by an exception that unwinds to the interpreter's own end."""
    marker = tmp_path / "synced"
    program = (
        "import os, pathlib, sys\n"
        "from app.clicks import spool\n"
        "real = os.fdatasync\n"
        f"os.fdatasync = lambda fd: (real(fd), pathlib.Path({str(marker)!r}).touch())\n"
        f"spool.Spool(pathlib.Path({str(tmp_path)!r}), fsync='interval').append(b'a line\\n')\n"
        "sys.exit(0)\n"
    )
    pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", program])
    begun = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert marker.exists(), time.monotonic() - begun
