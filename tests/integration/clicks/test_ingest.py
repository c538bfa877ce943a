"""From spool files to rows and roll-ups, each line once, whatever happens in between."""

import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client import REGISTRY
from sqlalchemy import Connection, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from structlog.testing import capture_logs

from app import database
from app.clicks import pace
from app.clicks.countries import countries
from app.clicks.ingest import AlreadyRunning, Ingester
from app.clicks.models import Click, ClickCount, ClickFacet, SpoolPosition
from app.clicks.spool import Spool
from tests.integration.clicks.conftest import AT, CURL, Finished, click, drain, queries
from tests.integration.clicks.rolled import own_links

BATCH = 200
"""Lines in a batch, where a test needs several."""


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("LEAST", "MOST"):
        monkeypatch.setattr(pace, bound, BATCH)


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def counts() -> dict[tuple[int, datetime], tuple[int, int, int, datetime | None]]:
    with database.reading() as connection:
        return {
            (row.link_id, row.quarter): (row.humans, row.bots, row.prefetches, row.last_at)
            for row in connection.execute(select(ClickCount.__table__))
        }


def facets() -> dict[tuple[int, date, str, str], int]:
    with database.reading() as connection:
        return {
            (row.link_id, row.day, row.dimension, row.value): row.clicks
            for row in connection.execute(select(ClickFacet.__table__))
        }


def position(path: Path) -> tuple[int, bool]:
    with database.reading() as connection:
        row = connection.execute(select(SpoolPosition.__table__).where(SpoolPosition.file == path.name)).one()
    return row.position, row.finished_at is not None


def test_a_line_becomes_a_row(ingester: Ingester, finished: Finished) -> None:
    finished([click("id=7", link_id=42, referrer="https://www.example.org/page")])
    assert drain(ingester) == 1
    with database.reading() as connection:
        (row,) = connection.execute(select(Click.__table__)).mappings()
    assert {**row, "id": None} == {
        "id": None,
        "link_id": 42,
        "at": AT,
        "visitor": bytes.fromhex("0123456789abcdef"),
        "address": "193.99.144.0/24",
        "country": "DE",
        "browser": "Firefox",
        "os": "Linux",
        "device": "desktop",
        "bot": False,
        "referrer": "example.org",
        "query": "id=7",
    }


def test_clicks_are_counted_by_quarter_and_bots_and_prefetches_apart(
    ingester: Ingester, finished: Finished
) -> None:
    finished([click(), click(user_agent=CURL), click(kind="prefetch"), click(at=AT + timedelta(minutes=15))])
    finished([click(at=AT + timedelta(minutes=1)), click(link_id=2)])
    drain(ingester)
    assert counts() == {
        (1, AT): (2, 1, 1, AT + timedelta(minutes=1)),
        (1, AT + timedelta(minutes=15)): (1, 0, 0, AT + timedelta(minutes=15)),
        (2, AT): (1, 0, 0, AT),
    }
    assert len(queries()) == 5  # the prefetch is no click


def test_facets_count_humans_by_day(ingester: Ingester, finished: Finished) -> None:
    finished([click(referrer="https://a.example/"), click(user_agent=CURL), click(kind="prefetch")])
    finished([click(referrer="https://a.example/x"), click(at=AT + timedelta(days=1))])
    drain(ingester)
    found = facets()
    assert {key[2:]: clicks for key, clicks in found.items() if key[1] == AT.date()} == {
        ("referrer", "a.example"): 2,
        ("country", "DE"): 2,
        ("browser", "Firefox"): 2,
        ("os", "Linux"): 2,
        ("device", "desktop"): 2,
    }
    assert found[1, AT.date() + timedelta(days=1), "referrer", ""] == 1


def test_prefetches_alone_have_no_last_click(ingester: Ingester, finished: Finished) -> None:
    finished([click(kind="prefetch")])
    drain(ingester)
    assert counts() == {(1, AT): (0, 0, 1, None)}
    finished([click()])
    drain(ingester)
    finished([click(kind="prefetch")])
    drain(ingester)
    assert counts() == {(1, AT): (1, 0, 2, AT)}


def test_clicks_that_come_late_do_not_turn_back_the_last_one(ingester: Ingester, finished: Finished) -> None:
    for minutes in (5, 3, 9, 1):
        finished([click(at=AT + timedelta(minutes=minutes))])
    drain(ingester)
    assert counts() == {(1, AT): (4, 0, 0, AT + timedelta(minutes=9))}


def test_a_finished_file_is_deleted_and_its_position_kept(ingester: Ingester, finished: Finished) -> None:
    path = finished([click("a"), click("b")])
    size = path.stat().st_size
    drain(ingester)
    assert not path.exists()
    assert position(path) == (size, True)


def test_an_empty_finished_file_is_deleted(ingester: Ingester, finished: Finished) -> None:
    path = finished([])
    drain(ingester)
    assert not path.exists()


def test_a_living_writers_file_is_read_and_kept(ingester: Ingester, spool_dir: Path) -> None:
    spool = Spool(spool_dir)
    spool.append(click("a"))
    drain(ingester)
    spool.append(click("b"))
    assert queries() == ["a"]
    drain(ingester)
    (path,) = spool_dir.glob("*.spool")
    assert queries() == ["a", "b"]
    assert position(path) == (path.stat().st_size, False)


def test_rotated_files_are_finished_while_their_writer_lives(ingester: Ingester, spool_dir: Path) -> None:
    spool = Spool(spool_dir, max_bytes=1000)
    for number in range(50):
        spool.append(click(str(number)))
    drain(ingester)
    drain(ingester)
    assert queries() == [str(number) for number in range(50)]
    assert len(list(spool_dir.glob("*.spool"))) == 1


def test_a_line_that_is_not_whole_yet_waits(ingester: Ingester, spool_dir: Path) -> None:
    line = click("b")
    spool = Spool(spool_dir)
    spool.append(click("a") + line[:20])
    drain(ingester)
    assert queries() == ["a"]
    spool.append(line[20:])
    drain(ingester)
    assert queries() == ["a", "b"]


def test_the_tail_of_a_finished_file_is_dropped_and_counted(ingester: Ingester, finished: Finished) -> None:
    before = metric("slugline_spool_tails_dropped_total")
    path = finished([click("a"), click("b")[:-1]])  # whole but for its newline: repeated in full elsewhere
    finished([click("b")])
    drain(ingester)
    assert queries() == ["a", "b"]
    assert metric("slugline_spool_tails_dropped_total") == before + 1
    assert not path.exists()


def test_large_files_are_taken_in_batches_beside_small_ones(
    small_batches: None, ingester: Ingester, finished: Finished
) -> None:
    finished(click(str(number)) for number in range(2 * BATCH + 1))
    finished([click("small")])
    assert list(ingester.step()) == [BATCH, 1]
    assert list(ingester.step()) == [BATCH]
    assert list(ingester.step()) == [1]
    assert Counter(queries()) == Counter([*map(str, range(2 * BATCH + 1)), "small"])


def test_clicks_of_links_that_nobody_knows_are_stored(ingester: Ingester, finished: Finished) -> None:
    finished([click("x", link_id=2**63 - 1)])
    drain(ingester)
    assert queries() == ["x"]


# --- each line exactly once ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_batches")
def test_a_new_ingester_goes_on_where_the_old_one_stopped(spool_dir: Path, finished: Finished) -> None:
    finished(click(str(number)) for number in range(3 * BATCH))
    for _ in range(4):
        with Ingester(spool_dir, countries()) as ingester:
            list(ingester.step())
    assert Counter(queries()) == Counter(map(str, range(3 * BATCH)))


def test_a_crash_between_commit_and_deletion_repeats_nothing(spool_dir: Path, finished: Finished) -> None:
    path = finished([click("a"), click("b")])
    content = path.read_bytes()
    with Ingester(spool_dir, countries()) as ingester:
        drain(ingester)
    path.write_bytes(content)  # as the crash would have left it
    with Ingester(spool_dir, countries()) as ingester:
        drain(ingester)
    assert queries() == ["a", "b"]
    assert counts() == {(1, AT): (2, 0, 0, AT)}
    assert not path.exists()


def test_a_deletion_that_fails_is_repeated_without_reading_again(
    ingester: Ingester, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = finished([click("a")])
    other = finished([click("b")])
    real = Path.unlink

    def refused(self: Path, missing_ok: bool = False) -> None:
        if self.name == path.name:
            raise PermissionError(1, "Operation not permitted", str(self))
        real(self, missing_ok)

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(Path, "unlink", refused)
        for _ in range(3):
            drain(ingester)
        assert path.exists()
        assert not other.exists()
    assert [entry["file"] for entry in logs] == [path.name]  # one complaint, not three
    drain(ingester)
    assert not path.exists()
    assert queries() == ["a", "b"]


def test_a_position_that_moved_rolls_everything_back(ingester: Ingester, spool_dir: Path) -> None:
    spool = Spool(spool_dir)
    spool.append(click("a"))
    drain(ingester)
    spool.append(click("b"))
    intruder = Ingester(spool_dir, countries())  # not entered: it took no lock
    drain(intruder)
    spool.append(click("c"))
    drain(ingester)  # it starts from its old position, with "b" and "c" in one batch
    assert sorted(queries()) == ["a", "b", "c"]
    assert counts() == {(1, AT): (3, 0, 0, AT)}


def test_what_another_stored_meanwhile_is_not_stored_from_what_was_worked_out_ahead(
    ingester: Ingester, spool_dir: Path, finished: Finished
) -> None:
    finished([click("a")])
    finished([click("b")])
    step = ingester.step()
    assert next(step) == 1  # and PostgreSQL's worked out the other file meanwhile
    drain(Ingester(spool_dir, countries()))  # not entered: it took no lock
    list(step)
    assert sorted(queries()) == ["a", "b"]
    assert counts() == {(1, AT): (2, 0, 0, AT)}


def test_a_position_moved_by_hand_keeps_the_batch_out(ingester: Ingester, spool_dir: Path) -> None:
    spool = Spool(spool_dir)
    spool.append(click("a"))
    drain(ingester)
    (path,) = spool_dir.glob("*.spool")
    spool.append(click("b"))
    with database.writing() as connection:
        connection.execute(
            update(SpoolPosition).where(SpoolPosition.file == path.name).values(position=path.stat().st_size)
        )
    drain(ingester)
    assert queries() == ["a"]
    assert counts() == {(1, AT): (1, 0, 0, AT)}


@pytest.mark.usefixtures("small_batches")
def test_ingesters_without_a_lock_at_once_store_each_line_once(
    app: Flask, spool_dir: Path, finished: Finished
) -> None:
    """What the position alone guarantees, should two hosts mount one directory after all."""
    paths = [finished(click(f"{file}-{number}") for number in range(700)) for file in range(6)]
    failures: list[BaseException] = []

    def ingest() -> None:
        try:
            with app.app_context():
                ingester = Ingester(spool_dir, countries())
                while any(path.exists() for path in paths):
                    drain(ingester)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ingest) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Counter(queries()) == Counter(f"{file}-{number}" for file in range(6) for number in range(700))
    assert counts()[1, AT][0] == 6 * 700


def test_hosts_that_share_a_database_do_not_deadlock(app: Flask, tmp_path: Path) -> None:
    """Each its own directory and quarters, in opposite orders of the links: only the rows of the days are shared."""
    own_links()
    failures: list[BaseException] = []

    def ingest(host: int) -> None:
        directory = tmp_path / f"host{host}"
        directory.mkdir()
        links = range(1, 801) if host else range(800, 0, -1)
        try:
            with app.app_context(), Ingester(directory, countries()) as ingester:
                for file in range(6):
                    lines = [click(link_id=link, at=AT + timedelta(hours=host)) for link in links]
                    (directory / f"{host}-{file}.spool").write_bytes(b"".join(lines))
                    drain(ingester)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ingest, args=(host,)) for host in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(facets().values()) == {12}


def test_a_directory_has_one_ingester(spool_dir: Path) -> None:
    with (
        Ingester(spool_dir, countries()),
        pytest.raises(AlreadyRunning),
        Ingester(spool_dir, countries()),
    ):
        raise AssertionError("two ingesters in one directory")
    with Ingester(spool_dir, countries()) as successor:
        assert drain(successor) == 0


def test_a_database_that_fails_loses_nothing(ingester: Ingester, finished: Finished) -> None:
    path = finished([click("a"), click("b")])
    with database.writing() as connection:
        connection.execute(
            text("ALTER TABLE click_facets RENAME TO gone")
        )  # the last table of the transaction
    for _ in range(2):
        with pytest.raises(SQLAlchemyError):
            drain(ingester)
    assert queries() == []
    assert path.exists()
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO click_facets"))
    drain(ingester)
    assert queries() == ["a", "b"]
    assert counts() == {(1, AT): (2, 0, 0, AT)}


# --- bad lines never stop it --------------------------------------------------------------------------------


def test_bad_lines_go_to_quarantine_and_the_others_are_stored(
    ingester: Ingester, finished: Finished, spool_dir: Path
) -> None:
    before = metric("slugline_spool_bad_lines_total")
    path = finished([click("a"), b"nonsense\n", b"\0\xff\n", b"\n", click("b")])
    drain(ingester)
    assert queries() == ["a", "b"]
    assert (spool_dir / "quarantine" / f"{path.name}.bad").read_bytes() == b"nonsense\n\0\xff\n\n"
    assert metric("slugline_spool_bad_lines_total") == before + 3
    assert not path.exists()


def test_a_quarantine_that_cannot_be_written_stops_nothing(
    ingester: Ingester, finished: Finished, spool_dir: Path
) -> None:
    (spool_dir / "quarantine").touch()
    path = finished([b"nonsense\n", click("a")])
    drain(ingester)
    assert queries() == ["a"]
    assert not path.exists()


def test_megabytes_without_a_line_break_stop_nothing(ingester: Ingester, finished: Finished) -> None:
    finished([click("a"), bytes(2_000_000) + b"\n", click("b")])
    drain(ingester)
    assert queries() == ["a", "b"]


def test_nul_and_broken_utf_8_are_stored_as_far_as_they_go(ingester: Ingester, finished: Finished) -> None:
    finished([click("id=X").replace(b"X", b"\\u0000\xff7")])
    drain(ingester)
    assert queries() == ["id=\ufffd7"]


def refuse_link_13(connection: Connection, table: str = "clicks") -> None:
    """Make the database itself refuse a row, as a rule of tomorrow's schema might."""
    if connection.dialect.name == "sqlite":
        connection.execute(
            text(
                f"CREATE TRIGGER no_13 BEFORE INSERT ON {table} WHEN NEW.link_id = 13 "
                "BEGIN SELECT RAISE(ABORT, 'no 13'); END"
            )
        )
    else:
        connection.execute(text(f"ALTER TABLE {table} ADD CONSTRAINT no_13 CHECK (link_id <> 13)"))


@pytest.mark.parametrize("table", ["clicks", "click_counts"])  # on PostgreSQL the second is not waited for
def test_a_line_that_the_database_refuses_is_isolated(
    ingester: Ingester, finished: Finished, spool_dir: Path, table: str
) -> None:
    with database.writing() as connection:
        refuse_link_13(connection, table)
    lines = [click(str(number), link_id=13 if number in (0, 333, 334, 999) else 1) for number in range(1000)]
    path = finished(lines)
    drain(ingester)
    assert Counter(queries()) == Counter(
        str(number) for number in range(1000) if number not in (0, 333, 334, 999)
    )
    assert counts() == {(1, AT): (996, 0, 0, AT)}
    kept = (spool_dir / "quarantine" / f"{path.name}.bad").read_bytes()
    assert kept == b"".join(lines[number] for number in (0, 333, 334, 999))
    assert not path.exists()


def test_a_refused_line_is_not_lost_where_there_is_no_quarantine(
    ingester: Ingester, finished: Finished, spool_dir: Path
) -> None:
    (spool_dir / "quarantine").touch()
    with database.writing() as connection:
        refuse_link_13(connection)
    path = finished([click("a", link_id=13), click("b")])
    with pytest.raises(SQLAlchemyError):
        drain(ingester)
    assert path.exists()
    (spool_dir / "quarantine").unlink()
    drain(ingester)
    assert queries() == ["b"]
    assert (spool_dir / "quarantine" / f"{path.name}.bad").read_bytes() == click("a", link_id=13)


def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    ingester: Ingester, finished: Finished, spool_dir: Path
) -> None:
    (spool_dir / "0-directory.spool").mkdir()
    finished([click("a")])
    with capture_logs() as logs:
        drain(ingester)
        drain(ingester)
    assert queries() == ["a"]
    assert [entry["file"] for entry in logs] == ["0-directory.spool"]


def test_what_was_ingested_is_counted_by_kind(ingester: Ingester, finished: Finished) -> None:
    kinds = ("human", "bot", "prefetch")
    before = [metric("slugline_clicks_ingested_total", kind=kind) for kind in kinds]
    finished([click(), click(), click(user_agent=CURL), click(kind="prefetch")])
    drain(ingester)
    after = [metric("slugline_clicks_ingested_total", kind=kind) for kind in kinds]
    assert [new - old for new, old in zip(after, before, strict=True)] == [2, 1, 1]


def test_years_from_first_to_last_are_stored(ingester: Ingester, finished: Finished) -> None:
    first, last = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)
    finished([click(at=first), click(at=last)])
    drain(ingester)
    assert [key[1] for key in sorted(counts())] == [first, last.replace(minute=45, second=0, microsecond=0)]
