"""A visit becomes one line of the spool, without what must not be kept."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from flask import Flask

from app.clicks.daykeys import DayKeys, keep_day_keys
from app.clicks.line import ClickLine, decode
from app.clicks.recorder import Visit, recorder
from app.clicks.visitor import visitor_hash

AT = datetime(2026, 5, 1, 23, 59, 59, 123_456, UTC)


def recorded(spool_dir: Path) -> ClickLine:
    (path,) = spool_dir.glob("*.spool")
    (raw,) = path.read_bytes().splitlines()
    return decode(raw)


def test_a_visit_is_on_file_when_record_returns(spool_dir: Path) -> None:
    keep_day_keys()
    with time_machine.travel(AT, tick=False):
        keep_day_keys()
        visit = Visit("193.99.144.7", "Mozilla/5.0", "https://example.org/", "id=7")
        assert recorder().record(42, "click", visit, AT)
        hashed = visitor_hash(DayKeys().key(AT.date()), bytes([193, 99, 144, 7]), "Mozilla/5.0")
    assert recorded(spool_dir) == ClickLine(
        time=1_777_679_999_123,
        link_id=42,
        kind="click",
        visitor=hashed.hex(),
        address="193.99.144.0/24",
        user_agent="Mozilla/5.0",
        referrer="https://example.org/",
        query="id=7",
    )


@pytest.mark.parametrize("address", ["193.99.144.77", "::ffff:193.99.144.77", "2001:db8:1:2:3:4:5:77"])
def test_no_full_address_is_on_file(spool_dir: Path, address: str) -> None:
    recorder().record(1, "click", Visit(address), AT)
    (path,) = spool_dir.glob("*.spool")
    assert b"77" not in path.read_bytes().partition(b'"click"')[2].partition(b",")[2].partition(b",")[2]
    assert recorded(spool_dir).address in ("193.99.144.0/24", "2001:db8:1::/48")


def test_text_is_what_the_bytes_meant_in_utf_8(spool_dir: Path) -> None:
    sent = "id=Zürich".encode().decode("latin-1")  # as WSGI hands it on
    recorder().record(1, "click", Visit("", user_agent="\xff", referrer="\udcff\0", query=sent), AT)
    line = recorded(spool_dir)
    assert (line.query, line.user_agent, line.referrer) == ("id=Zürich", "\ufffd", "?")


def test_text_is_cut_by_characters(spool_dir: Path) -> None:
    sent = ("ü" * 1000).encode().decode("latin-1")
    recorder().record(1, "click", Visit("", query=sent, user_agent="a" * 1000), AT)
    line = recorded(spool_dir)
    assert (line.query, line.user_agent) == ("ü" * 512, "a" * 512)


def test_a_prefetch_is_marked(spool_dir: Path) -> None:
    recorder().record(1, "prefetch", Visit(""), AT)
    assert recorded(spool_dir).kind == "prefetch"


def test_who_asks_not_to_be_tracked_is_counted_and_no_more(spool_dir: Path) -> None:
    visit = Visit("193.99.144.7", "Mozilla/5.0", "https://example.org/", "id=7", private=True)
    recorder().record(42, "click", visit, AT)
    assert recorded(spool_dir) == ClickLine(1_777_679_999_123, 42, "click", "", "", "Mozilla/5.0", "", "")


def test_a_spool_that_cannot_be_written_is_told_and_raises_nothing(app: Flask, tmp_path: Path) -> None:
    app.config["SPOOL_DIR"].parent.mkdir(parents=True, exist_ok=True)
    app.config["SPOOL_DIR"].touch()
    assert not recorder().record(1, "click", Visit("193.99.144.7"), AT)
    assert recorder().spool.lost == 1
