"""Reading spool files piece by piece, whole lines only."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.clicks.pieces import Piece, read_piece
from app.clicks.spool import Spool

MEGABYTE = 1024 * 1024


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


def pieces(path: Path, most: int = 1000) -> list[Piece]:
    """All pieces of a file that has no writer."""
    found: list[Piece] = []
    with opened(path) as fd:
        while not found or not found[-1].last:
            found.append(read_piece(fd, found[-1].end if found else 0, most))
    return found


def test_an_abandoned_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(b"one\ntwo\n")
    assert pieces(path) == [Piece([b"one", b"two"], 0, 8, last=True, tail=0)]


def test_an_empty_abandoned_file_is_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.touch()
    assert pieces(path) == [Piece([], 0, 0, last=True, tail=0)]


def test_a_file_with_a_writer_is_never_at_its_end(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"one\n")
    (path,) = tmp_path.iterdir()
    with opened(path) as fd:
        assert read_piece(fd, 0, 1000) == Piece([b"one"], 0, 4, last=False, tail=0)
        assert read_piece(fd, 4, 1000) == Piece([], 4, 4, last=False, tail=0)
        spool.append(b"two\n")
        assert read_piece(fd, 4, 1000) == Piece([b"two"], 4, 8, last=False, tail=0)


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"one\ntw")
    (path,) = tmp_path.iterdir()
    with opened(path) as fd:
        assert read_piece(fd, 0, 1000) == Piece([b"one"], 0, 4, last=False, tail=0)


def test_a_tail_of_an_abandoned_file_is_told_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(b"one\ntw")
    assert pieces(path) == [Piece([b"one"], 0, 4, last=True, tail=2)]


def test_no_piece_has_more_lines_than_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(25)) + b"tail")
    found = pieces(path, most=10)
    assert [len(piece.lines) for piece in found] == [10, 10, 5]
    assert [piece.last for piece in found] == [False, False, True]
    assert [piece.tail for piece in found] == [0, 0, 4]


def test_a_piece_is_full_however_many_reads_it_takes(tmp_path: Path) -> None:
    lines = [b"%d " % number * 2_000 for number in range(50)]  # longer than a tenth of a read, some 300 kB
    path = tmp_path / "a.spool"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    found = pieces(path, most=30)
    assert [piece.lines for piece in found] == [lines[:30], lines[30:]]
    assert found[1].last


def test_exactly_full_last_piece_ends_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(b"x\n" * 10)
    assert [(len(piece.lines), piece.last) for piece in pieces(path, most=10)] == [(10, True)]


def test_a_line_longer_than_any_of_ours_does_not_stop_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(b"one\n" + bytes(2 * MEGABYTE) + b"\ntwo\n")
    lines = [line for piece in pieces(path) for line in piece.lines]
    assert (lines[0], lines[-1]) == (b"one", b"two")
    assert b"".join(lines[1:-1]) == bytes(2 * MEGABYTE)


def test_a_huge_tail_does_not_stop_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(b"one\n" + bytes(2 * MEGABYTE))
    assert pieces(path)[-1].last


@given(st.lists(st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b""))), st.integers(1, 7))
def test_each_line_is_read_once_and_in_order(lines: list[bytes], most: int) -> None:
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        found = pieces(path, most)
    assert [line for piece in found for line in piece.lines] == lines
    assert [piece.start for piece in found] == [0, *(piece.end for piece in found[:-1])]
