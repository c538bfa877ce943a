"""The bound of the spool directory: what is lost past it, and how recording comes back. Real files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.clicks import room
from app.clicks.room import Room, size_of
from app.clicks.spool import Spool
from tests.unit.clicks.test_spool import files, has_writer, numbered

InChild = Callable[[Callable[[], object]], None]
KIB = 1024


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, in a cell that the test turns forward."""
    cell = [1000.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: cell[0])
    return cell


def lost() -> float:
    return REGISTRY.get_sample_value("slugline_clicks_lost_total") or 0


def fill(spool: Spool, size: int = KIB) -> int:
    """Append until one is refused; return how many were taken."""
    taken = 0
    while spool.append(numbered(taken, size)):
        taken += 1
    return taken


def test_lines_past_the_bound_are_lost_counted_and_logged_once(tmp_path: Path, now: list[float]) -> None:
    spool, before = Spool(tmp_path, limit_bytes=10 * KIB), lost()
    with capture_logs() as logs:
        assert fill(spool) == 10
        assert not spool.append(numbered(10, KIB))
    assert size_of(tmp_path) == 10 * KIB
    assert (spool.lost, lost() - before) == (2, 2)
    assert [entry["event"] for entry in logs] == ["click lost: the spool cannot be written"]
    assert "SPOOL_LIMIT_BYTES" in logs[0]["error"]


def test_what_others_wrote_counts_too(tmp_path: Path, now: list[float]) -> None:
    (tmp_path / "1-a.spool").write_bytes(b"x" * 6 * KIB)
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "a.bad").write_bytes(b"x" * 6 * KIB)  # has a bound of its own
    assert fill(Spool(tmp_path, limit_bytes=10 * KIB)) == 4


def test_recording_goes_on_within_a_second_of_the_worker_making_room(
    tmp_path: Path, now: list[float]
) -> None:
    spool = Spool(tmp_path, limit_bytes=10 * KIB)
    fill(spool)
    [full] = files(tmp_path)
    assert not has_writer(full)  # else the worker could never finish it, and its bytes would stay for good
    full.unlink()
    assert not spool.append(b"too soon\n")
    now[0] += 1
    assert spool.append(b"again\n")
    assert [path.read_bytes() for path in files(tmp_path)] == [b"again\n"]


def test_a_full_spool_is_looked_at_once_a_second(
    tmp_path: Path, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []
    monkeypatch.setattr(room, "size_of", lambda path: looks.append(path) or size_of(path))
    spool = Spool(tmp_path, limit_bytes=10 * KIB)
    fill(spool)
    looks.clear()
    for _ in range(5):
        assert [spool.append(b"lost\n") for _ in range(100)] == [False] * 100
        now[0] += 0.3
    assert len(looks) == 1
    assert len(files(tmp_path)) == 1  # nor is a file begun for what is refused


def test_a_process_overshoots_by_no_more_than_it_writes_between_two_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_STEP", 100 * KIB)
    spool = Spool(tmp_path, limit_bytes=1000 * KIB)
    assert spool.append(b"x\n")
    (tmp_path / "1-a.spool").write_bytes(b"x" * 1000 * KIB)
    fill(spool)
    assert 1000 * KIB < size_of(tmp_path) <= 1100 * KIB


def test_no_limit_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "size_of", lambda _: pytest.fail("looked"))
    spool = Spool(tmp_path)
    assert all(spool.append(b"x" * 64 * KIB) for _ in range(100))


def test_a_forked_child_looks_for_itself(tmp_path: Path, in_child: InChild) -> None:
    spool = Spool(tmp_path, limit_bytes=10 * KIB)
    assert spool.append(numbered(1, KIB))

    def child() -> None:
        assert fill(spool) == 9

    in_child(child)


def test_a_line_that_just_fits_is_taken_and_the_next_byte_is_not(tmp_path: Path) -> None:
    (tmp_path / "1-a.spool").write_bytes(b"x" * 60)
    assert not Room(tmp_path, 100).take(41)
    left = Room(tmp_path, 100)
    assert left.take(40)
    (tmp_path / "1-a.spool").write_bytes(b"x" * 100)
    assert not left.take(1)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert size_of(tmp_path / "none") == 0
