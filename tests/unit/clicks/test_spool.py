"""The spool with real files, real threads, and real processes that are forked and killed."""

import fcntl
import os
import re
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.clicks.spool import Spool
from tests.unit.clicks.conftest import Forker

InChild = Callable[[Callable[[], object]], None]


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.spool"))


def lines_of(directory: Path) -> list[bytes]:
    """All whole lines of all files."""
    return [line for path in files(directory) for line in path.read_bytes().split(b"\n")[:-1]]


def tails_of(directory: Path) -> list[bytes]:
    return [tail for path in files(directory) if (tail := path.read_bytes().split(b"\n")[-1])]


def has_writer(path: Path) -> bool:
    """Whether a writer holds the file, as the ingester asks it."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def descriptor_of(path: Path) -> int:
    """This process's descriptor of `path`."""
    for fd in range(3, 1024):
        try:
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd
        except OSError:
            continue
    raise AssertionError(f"{path} is not open")


def numbered(number: int, size: int = 40) -> bytes:
    return b"%0*d\n" % (size - 1, number)


def test_nothing_is_opened_before_the_first_line(tmp_path: Path) -> None:
    Spool(tmp_path / "spool")
    assert not (tmp_path / "spool").exists()


def test_lines_are_appended_to_one_private_file_with_a_random_name(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "deep" / "spool")
    assert spool.append(b"one\n")
    assert spool.append(b"two\n")
    (path,) = (tmp_path / "deep" / "spool").iterdir()
    assert path.read_bytes() == b"one\ntwo\n"
    assert re.fullmatch(r"[0-9]{19}-[0-9a-f]{32}\.spool", path.name)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_is_on_file_before_append_returns_and_survives_kill_9(tmp_path: Path, forked: Forker) -> None:
    told, tell = os.pipe()

    def write() -> None:
        spool = Spool(tmp_path)
        for number in range(1_000_000):
            assert spool.append(numbered(number))
            os.write(tell, numbered(number))

    pid = forked(write)
    os.close(tell)
    with os.fdopen(told, "rb") as answers:
        for _ in range(500):
            answers.readline()
        (path,) = files(tmp_path)
        assert has_writer(path)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        answered = 500 + len(answers.read().splitlines())
    assert not has_writer(path)
    assert lines_of(tmp_path)[:answered] == [numbered(number).strip() for number in range(answered)]
    assert len(lines_of(tmp_path)) <= answered + 1


def test_a_forked_child_writes_a_file_of_its_own(tmp_path: Path, in_child: InChild) -> None:
    spool = Spool(tmp_path)
    spool.append(b"parent\n")
    in_child(lambda: spool.append(b"child\n"))
    spool.append(b"parent\n")
    assert sorted(path.read_bytes() for path in files(tmp_path)) == [b"child\n", b"parent\nparent\n"]


def test_a_forked_child_does_not_keep_the_dead_parents_file_locked(tmp_path: Path, forked: Forker) -> None:
    ready, done = os.pipe()

    def parent() -> None:
        spool = Spool(tmp_path)
        spool.append(b"x\n")
        if os.fork() == 0:
            os.write(done, b"%d\n" % os.getpid())
            time.sleep(600)
            os._exit(0)
        time.sleep(600)

    pid = forked(parent)
    with os.fdopen(ready, "rb", buffering=0) as answers:
        grandchild = int(answers.readline())
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        (path,) = files(tmp_path)
        assert not has_writer(path)
    finally:
        os.kill(grandchild, signal.SIGKILL)


def test_a_child_forked_amid_appends_is_not_stuck(tmp_path: Path, in_child: InChild) -> None:
    spool = Spool(tmp_path)
    stop = threading.Event()

    def hammer() -> None:
        while not stop.is_set():
            spool.append(b"parent\n")

    def child() -> None:
        signal.alarm(60)  # seconds; a stuck one would wait for ever
        assert spool.append(b"child\n")

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):
            in_child(child)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert lines_of(tmp_path).count(b"child") == 30


def test_a_full_file_is_followed_by_another_and_left(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=100)
    for number in range(10):
        spool.append(numbered(number, 40))
    assert [path.stat().st_size for path in files(tmp_path)] == [80] * 5
    assert lines_of(tmp_path) == [numbered(number, 40).strip() for number in range(10)]
    assert [has_writer(path) for path in files(tmp_path)] == [False] * 4 + [True]


def test_a_line_longer_than_a_file_may_be_is_written_all_the_same(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=10)
    assert spool.append(numbered(1, 40))
    assert spool.append(numbered(2, 40))
    assert lines_of(tmp_path) == [numbered(1, 40).strip(), numbered(2, 40).strip()]


def test_threads_beside_rotation_lose_nothing_and_write_nowhere_else(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", max_bytes=400)
    strays: list[bytes] = []

    def write(thread: int) -> None:
        for number in range(400):
            assert spool.append(numbered(1000 * thread + number))

    def open_others() -> None:
        # A rotation that closed its descriptor first would see its number given to one of these.
        for number in range(400):
            other = tmp_path / f"other-{number}"
            other.touch()
            fd = os.open(other, os.O_RDWR)
            time.sleep(0)
            os.close(fd)
            strays.append(other.read_bytes())

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    threads.append(threading.Thread(target=open_others))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = Counter(numbered(1000 * t + n).strip() for t in range(8) for n in range(400))
    assert Counter(lines_of(tmp_path / "spool")) == expected
    assert set(strays) == {b""}
    assert len(files(tmp_path / "spool")) > 300


def test_a_line_cut_short_is_repeated_in_full_in_a_new_file(tmp_path: Path, in_child: InChild) -> None:
    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        spool = Spool(tmp_path)
        for number in range(10):
            assert spool.append(numbered(number, 300))
        assert spool.lost == 0

    in_child(write)
    assert lines_of(tmp_path) == [numbered(number, 300).strip() for number in range(10)]
    assert [len(tail) for tail in tails_of(tmp_path)] == [100] * 3


def test_of_lines_written_together_those_cut_off_are_repeated(tmp_path: Path, in_child: InChild) -> None:
    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        spool = Spool(tmp_path)
        assert spool.append(*(numbered(number, 300) for number in range(10)))
        assert not spool.append(numbered(10, 300), numbered(11, 2000), numbered(12, 300))
        assert spool.lost == 2, "what stands behind a line that no file takes is lost with it"

    in_child(write)
    assert lines_of(tmp_path) == [numbered(number, 300).strip() for number in range(11)]


def test_a_file_that_may_not_grow_is_followed_by_another(tmp_path: Path, in_child: InChild) -> None:
    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        spool = Spool(tmp_path)
        for number in range(10):
            assert spool.append(numbered(number, 250))  # 4 fill the file: the next fails with EFBIG

    in_child(write)
    assert lines_of(tmp_path) == [numbered(number, 250).strip() for number in range(10)]
    assert tails_of(tmp_path) == []


def test_threads_never_glue_a_line_to_one_cut_short(tmp_path: Path, in_child: InChild) -> None:
    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        spool = Spool(tmp_path)

        def append(thread: int) -> None:
            for number in range(200):
                assert spool.append(numbered(1000 * thread + number, 300))

        threads = [threading.Thread(target=append, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    in_child(write)
    expected = Counter(numbered(1000 * t + n, 300).strip() for t in range(8) for n in range(200))
    assert Counter(lines_of(tmp_path)) == expected


def test_a_line_that_no_file_can_take_is_lost_counted_and_forgotten(
    tmp_path: Path, in_child: InChild
) -> None:
    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        spool = Spool(tmp_path)
        assert not spool.append(numbered(1, 300))
        assert spool.lost == 1
        assert spool.append(numbered(2, 50))

    in_child(write)
    assert lines_of(tmp_path) == [numbered(2, 50).strip()]


def test_nothing_is_glued_to_a_line_that_was_lost(tmp_path: Path, in_child: InChild) -> None:
    def write() -> None:
        spool = Spool(tmp_path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 1000))
        assert not spool.append(numbered(1, 300))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        assert spool.append(numbered(2, 50))

    in_child(write)
    assert lines_of(tmp_path) == [numbered(2, 50).strip()]
    assert [len(tail) for tail in tails_of(tmp_path)] == [100, 100]


def test_a_full_disk_loses_lines_without_raising_and_recovers(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"before\n")
    (path,) = files(tmp_path)
    fd = descriptor_of(path)
    kept = os.dup(fd)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, fd, inheritable=False)
    with capture_logs() as logs:
        assert [spool.append(b"lost\n") for _ in range(3)] == [False] * 3
    assert spool.lost == 3
    assert [entry["log_level"] for entry in logs] == ["error"]  # one complaint, not three
    os.dup2(kept, fd, inheritable=False)
    os.close(kept)
    os.close(full)
    assert spool.append(b"after\n")
    assert lines_of(tmp_path) == [b"before", b"after"]
    assert files(tmp_path) == [path]  # a full disk must not be filled with empty files


def test_a_descriptor_closed_by_somebody_else_costs_no_line(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"one\n")
    os.close(descriptor_of(files(tmp_path)[0]))
    assert spool.append(b"two\n")
    assert spool.append(b"three\n")
    assert [path.read_bytes() for path in files(tmp_path)] == [b"one\n", b"two\nthree\n"]


def test_a_directory_that_cannot_be_made_loses_lines_until_it_can(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    (tmp_path / "spool").touch()
    assert not spool.append(b"lost\n")
    assert spool.lost == 1
    (tmp_path / "spool").unlink()
    assert spool.append(b"kept\n")
    assert lines_of(tmp_path / "spool") == [b"kept"]


def test_a_rotation_that_fails_loses_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", max_bytes=100)
    spool.append(numbered(1, 80))
    (tmp_path / "spool").rename(tmp_path / "moved")
    (tmp_path / "spool").touch()
    assert spool.append(numbered(2, 80))
    assert lines_of(tmp_path / "moved") == [numbered(1, 80).strip(), numbered(2, 80).strip()]
    assert spool.lost == 0


def test_a_file_that_cannot_get_its_name_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(5, "Input/output error")

    spool = Spool(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refused)
        assert not spool.append(b"lost\n")
    assert list(tmp_path.iterdir()) == []
    assert spool.append(b"kept\n")


def test_check_passes_and_leaves_nothing_where_files_can_be_made(tmp_path: Path) -> None:
    Spool(tmp_path / "spool").check()
    assert list((tmp_path / "spool").iterdir()) == []


def test_check_raises_where_no_file_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "spool").touch()
    with pytest.raises(OSError, match="spool"):
        Spool(tmp_path / "spool").check()
