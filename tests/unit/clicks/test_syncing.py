"""SPOOL_FSYNC: which files are forced onto the disk, and when. The calls are counted, and made."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.clicks import syncing
from app.clicks.spool import Spool
from tests.e2e.processes import PATIENCE
from tests.unit.clicks.test_spool import files, lines_of

InChild = Callable[[Callable[[], object]], None]
Calls = list[tuple[str, int]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Each sync as the path it was of, and the size that it had by then."""
    seen: Calls = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        path = os.readlink(f"/proc/self/fd/{fd}")
        real(fd)
        seen.append((path, os.fstat(fd).st_size if path.endswith(".spool") else 0))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    return seen


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "PERIOD", 0.05)


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    yield
    join_syncs()


def join_syncs() -> None:
    for thread in threading.enumerate():
        if thread.name == "spool-sync":
            thread.join(PATIENCE)
            assert not thread.is_alive()


def failures() -> float:
    return REGISTRY.get_sample_value("slugline_spool_sync_failures_total") or 0


def test_never_is_the_default_and_syncs_nothing(tmp_path: Path, calls: Calls) -> None:
    spool = Spool(tmp_path, max_bytes=10)
    assert all(spool.append(b"a line\n") for _ in range(5))
    join_syncs()
    assert calls == []


def test_always_syncs_each_line_before_it_is_answered(tmp_path: Path, calls: Calls) -> None:
    spool = Spool(tmp_path, fsync="always")
    for number in range(1, 4):
        assert spool.append(b"a line\n")
        assert calls[-1 if number > 1 else 0] == (str(files(tmp_path)[0]), 7 * number)
    assert [path for path, _ in calls].count(str(tmp_path)) == 1  # the new file's name


def test_always_syncs_the_name_of_each_file(tmp_path: Path, calls: Calls) -> None:
    spool = Spool(tmp_path, max_bytes=10, fsync="always")
    assert all(spool.append(b"a line\n") for _ in range(3))
    assert [path for path, _ in calls] == [
        name for path in files(tmp_path) for name in (str(path), str(tmp_path))
    ]


def test_interval_syncs_later_in_a_thread_of_its_own(tmp_path: Path, calls: Calls, soon: None) -> None:
    spool = Spool(tmp_path, fsync="interval")
    for _ in range(1000):
        assert spool.append(b"a line\n")
    join_syncs()
    # One thread took what there was by its time; lines after that began another.
    assert 2 <= len(calls) < 40
    assert set(calls) >= {(str(tmp_path), 0), (str(files(tmp_path)[0]), 7000)}


def test_interval_does_not_keep_a_line_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soon: None
) -> None:
    disk = threading.Event()  # busy until it is set
    monkeypatch.setattr(os, "fdatasync", lambda _: disk.wait(PATIENCE))
    spool = Spool(tmp_path, fsync="interval")
    try:
        for _ in range(3):
            assert spool.append(b"a line\n")
            time.sleep(2 * syncing.PERIOD)
        assert lines_of(tmp_path) == [b"a line"] * 3
    finally:
        disk.set()


def test_interval_syncs_files_that_were_rotated_away(tmp_path: Path, calls: Calls, soon: None) -> None:
    spool = Spool(tmp_path, max_bytes=10, fsync="interval")
    assert all(spool.append(b"a line\n") for _ in range(5))
    join_syncs()
    assert {path for path, _ in calls} == {str(tmp_path), *map(str, files(tmp_path))}


def test_interval_leaves_no_thread_where_nothing_is_written(tmp_path: Path, calls: Calls, soon: None) -> None:
    spool = Spool(tmp_path, fsync="interval")
    assert spool.append(b"a line\n")
    join_syncs()
    assert [thread for thread in threading.enumerate() if thread.name == "spool-sync"] == []
    assert spool.append(b"a line\n")
    join_syncs()
    assert (str(files(tmp_path)[0]), 14) in calls


def test_a_file_that_the_worker_has_deleted_needs_no_sync(tmp_path: Path, calls: Calls, soon: None) -> None:
    spool, before = Spool(tmp_path, fsync="interval"), failures()
    assert spool.append(b"a line\n")
    files(tmp_path)[0].unlink()
    join_syncs()
    assert [path for path, _ in calls] == [str(tmp_path)]
    assert failures() == before


def test_a_forked_child_syncs_for_itself(tmp_path: Path, in_child: InChild, calls: Calls, soon: None) -> None:
    spool = Spool(tmp_path, fsync="interval")
    assert spool.append(b"parent\n")

    def child() -> None:
        calls.clear()
        assert spool.append(b"child\n")
        join_syncs()
        assert [size for path, size in calls if path.endswith(".spool")] == [6]

    in_child(child)


@pytest.mark.parametrize("fsync", ["interval", "always"])
def test_a_sync_that_fails_is_counted_and_logged_and_the_line_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soon: None, fsync: syncing.Policy
) -> None:
    def refused(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    spool, before = Spool(tmp_path, fsync=fsync), failures()
    monkeypatch.setattr(os, "fdatasync", refused)
    with capture_logs() as logs:
        assert spool.append(b"a line\n")
        join_syncs()
    assert failures() - before == 2  # the file and its name
    assert [entry["event"] for entry in logs] == ["the spool cannot be synced"]
    assert lines_of(tmp_path) == [b"a line"]
    assert spool.lost == 0


def test_a_thread_that_cannot_start_costs_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: Calls, soon: None
) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    spool = Spool(tmp_path, fsync="interval")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        assert spool.append(b"one\n")
    assert spool.append(b"two\n")
    join_syncs()
    assert (str(files(tmp_path)[0]), 8) in calls
