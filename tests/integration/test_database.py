"""app/database.py on both engines: transactions that read or write, and who waits for whom."""

import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, delete, func, insert, make_url, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app import clock, database
from app.accounts.models import Guess, Session, User
from app.extensions import db
from app.ids import opaque_id
from app.links import visits
from app.links.models import Link
from tests.conftest import PASSWORD, AppFactory, Caller, sign_up
from tests.e2e.processes import PATIENCE, eventually
from tests.making import make_link, stored_link

ACCOUNT = {"email": "ada@example.org", "password": PASSWORD}
HOLDER = """
import fcntl, sys
queue = open(sys.argv[1], "r+")
fcntl.flock(queue, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT max(i) FROM n"
"""A statement of some ten steps for each of so many rows."""
SERVERS_OWN = text("SELECT reset_val FROM pg_settings WHERE name = :name")


def new_guess(key: str = "k") -> Any:
    return insert(Guess).values(key=key, count=1, resets_at=clock.now())


def guesses(app: Flask) -> int:
    with app.app_context(), database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(Guess)) or 0


def sqlite_file(app: Flask) -> str:
    return make_url(app.config["SQLALCHEMY_DATABASE_URI"]).database or ""


def free(app: Flask) -> bool:
    """Whether nobody stands in the writers' queue."""
    with open(f"{sqlite_file(app)}-queue", "r+") as queue:
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def patient_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """How long writers of the applications made from here on wait."""
    return lambda seconds: monkeypatch.setattr(database, "_BUSY_TIMEOUT", seconds)


@contextmanager
def held(app: Flask) -> Iterator[None]:
    """Somebody else, who knows nothing of the queue, holds the lock that a registration needs."""
    if sqlite_file(app).endswith(".db"):
        other = sqlite3.connect(sqlite_file(app), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()
    else:
        with app.app_context(), db.engine.connect() as connection:
            connection.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))
            yield
            connection.rollback()


class TestReadingOnly:
    """GET, HEAD and OPTIONS may not write, on either engine."""

    def test_short_reading_transaction_refuses_to_write(self, app: Flask) -> None:
        with app.app_context():
            for statement in (new_guess(), delete(Guess), text("CREATE TABLE evil (id int)")):
                with pytest.raises(DBAPIError), database.reading() as connection:
                    connection.execute(statement)
        assert guesses(app) == 0

    @pytest.mark.asvs("3.5.3")
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
    def test_view_that_writes_on_a_safe_method_fails_and_stores_nothing(
        self, make_app: AppFactory, method: str
    ) -> None:
        app = make_app()

        def write() -> str:
            db.session.execute(new_guess())
            db.session.commit()
            return "written"

        app.add_url_rule(
            "/write", view_func=write, methods=["GET", "POST", "OPTIONS"], provide_automatic_options=False
        )
        client = app.test_client()
        assert client.open("/write", method=method).status_code >= 500
        assert guesses(app) == 0
        assert client.post("/write").text == "written"
        assert guesses(app) == 1

    def test_connection_that_has_read_may_write_again_and_the_other_way_round(self, app: Flask) -> None:
        with app.app_context():
            for number in range(3):
                with pytest.raises(DBAPIError), database.reading() as connection:
                    connection.execute(new_guess("refused"))
                with database.writing() as connection:
                    connection.execute(new_guess(str(number)))
        assert guesses(app) == 3

    def test_reader_sees_one_state_throughout(self, app: Flask) -> None:
        count = select(func.count()).select_from(Guess)
        with app.app_context(), database.reading() as connection:
            before = connection.scalar(count)
            _write_elsewhere(app)
            again = connection.scalar(count)
        # SQLite: a snapshot. PostgreSQL: read committed, each statement sees what is committed.
        assert (before, again) == ((0, 0) if sqlite_file(app).endswith(".db") else (0, 1))


class TestWriting:
    def test_block_commits_at_its_end(self, app: Flask) -> None:
        with app.app_context(), database.writing() as connection:
            connection.execute(new_guess())
        assert guesses(app) == 1

    def test_exception_rolls_back(self, app: Flask) -> None:
        with app.app_context(), suppress(KeyError), database.writing() as connection:
            connection.execute(new_guess())
            raise KeyError
        assert guesses(app) == 0

    def test_foreign_keys_and_checks_are_enforced(self, app: Flask) -> None:
        now = clock.now()
        user = {"public_id": opaque_id("usr"), "role": "user", "status": "active"}
        user |= {"created_at": now, "updated_at": now}
        session = {"public_id": opaque_id("ses"), "user_id": 999, "refresh_jti": "j", "user_agent": ""}
        session |= {"ip_prefix": "", "created_at": now, "last_used_at": now, "expires_at": now}
        bad = [insert(Session).values(session), insert(User).values({**user, "role": "root"})]
        with app.app_context():
            for statement in bad:
                with pytest.raises(IntegrityError), database.writing() as connection:
                    connection.execute(statement)
            with database.writing() as connection:
                connection.execute(insert(User).values(user))


class TestTimes:
    @pytest.mark.parametrize(
        "offset", [timedelta(0), timedelta(hours=2), timedelta(hours=-11, minutes=-30)], ids=str
    )
    def test_time_comes_back_aware_in_utc_to_the_microsecond(self, app: Flask, offset: timedelta) -> None:
        given = datetime(2030, 3, 31, 1, 59, 59, 123_457, tzinfo=timezone(offset))
        with app.app_context():
            with database.writing() as connection:
                connection.execute(new_guess().values(resets_at=given))
            with database.reading() as connection:
                stored = connection.scalar(select(Guess.resets_at))
                assert connection.scalar(select(Guess.key).where(Guess.resets_at == given)) == "k"
        assert stored == given
        assert stored.tzinfo is UTC

    def test_times_compare_as_times(self, app: Flask) -> None:
        noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
        with app.app_context(), database.writing() as connection:
            connection.execute(new_guess().values(resets_at=noon))
            later = noon.astimezone(timezone(timedelta(hours=14))) + timedelta(microseconds=1)
            assert connection.scalar(select(Guess.key).where(Guess.resets_at < later)) == "k"

    def test_time_without_a_zone_has_no_place_in_the_database(self, app: Flask) -> None:
        with app.app_context(), pytest.raises(Exception, match="naive"), database.writing() as connection:
            connection.execute(new_guess().values(resets_at=datetime(2030, 1, 1)))  # noqa: DTZ001  # the point


class TestLocks:
    def test_held_lock_is_503_with_retry_after_and_readers_go_on(
        self, make_app: AppFactory, patient_for: Callable[[float], None]
    ) -> None:
        patient_for(0.2)
        app = make_app()
        anonymous = Caller(app.test_client())
        with held(app):
            answer = anonymous.post("/auth/register", json=ACCOUNT)
            assert answer.status_code == 503
            assert answer.json["error"]["code"] == "UNAVAILABLE"
            assert int(answer.headers["Retry-After"]) >= 1
            assert app.test_client().get("/readyz").status_code == 200
        assert anonymous.post("/auth/register", json=ACCOUNT).status_code == 201

    def test_visit_that_spends_a_click_waits_for_writers_and_is_503_while_others_go_on(
        self, make_app: AppFactory, patient_for: Callable[[float], None]
    ) -> None:
        patient_for(0.2)
        app = make_app()
        alice, visitor = sign_up(app, "alice"), app.test_client()
        make_link(alice, code="plain")
        make_link(alice, code="few", max_clicks=1)
        with app.app_context(), database.writing() as connection:
            connection.execute(update(Link).where(Link.code == "few").values(title="busy"))
            assert visitor.get("/s/plain").status_code == 302
            refused = visitor.get("/s/few")
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) >= 1
        assert visitor.get("/s/few").status_code == 302  # nothing was spent

    def test_writer_waits_for_a_short_lock(self, app: Flask) -> None:
        anonymous = Caller(app.test_client())
        answers = []
        with held(app):
            waiting = threading.Thread(
                target=lambda: answers.append(anonymous.post("/auth/register", json=ACCOUNT))
            )
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()
        waiting.join()
        assert answers[0].status_code == 201


class TestSQLite:
    """What only SQLite needs."""

    @pytest.fixture
    def database_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_write_ahead_log_and_foreign_keys_are_on(self, app: Flask) -> None:
        with app.app_context(), database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1

    def test_writer_holds_the_lock_from_its_first_statement(self, app: Flask) -> None:
        other = sqlite3.connect(sqlite_file(app), timeout=0, isolation_level=None)
        with app.test_request_context(method="POST"):
            db.session.execute(select(Guess))
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            assert other.execute("SELECT count(*) FROM guesses").fetchone() == (0,)
            db.session.rollback()
        other.execute("BEGIN IMMEDIATE")
        other.close()

    def test_reader_holds_up_nobody(self, app: Flask) -> None:
        with app.app_context(), database.reading() as connection:
            connection.execute(select(Guess))
            _write_elsewhere(app)
        assert guesses(app) == 1

    def test_queue_is_left_after_commit_rollback_and_refusal(
        self, make_app: AppFactory, patient_for: Callable[[float], None]
    ) -> None:
        patient_for(0.1)
        app = make_app()
        with app.app_context():
            with database.writing() as connection:
                connection.execute(new_guess())
                assert not free(app)
            assert free(app)
            with suppress(KeyError), database.writing():
                raise KeyError
            assert free(app)
            with held(app), pytest.raises(OperationalError), database.writing():
                pass
            assert free(app)

    def test_writers_of_another_process_are_waited_for(self, app: Flask) -> None:
        _write_elsewhere(app, "first")  # the queue's file is made by the first writer
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, f"{sqlite_file(app)}-queue"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holder.stdin
        assert holder.stdout
        with holder:
            assert holder.stdout.readline() == b"held\n"
            waiting = threading.Thread(target=_write_elsewhere, args=(app, "second"))
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()
            assert guesses(app) == 1
            holder.stdin.close()
            waiting.join(2)
            assert not waiting.is_alive()
        assert guesses(app) == 2

    def test_that_somebody_had_to_wait_is_told(self, app: Flask) -> None:
        _write_elsewhere(app, "first")
        queue = f"{sqlite_file(app)}-queue"
        os.utime(queue, (0, 0))
        with open(queue, "r+") as held, app.app_context():
            fcntl.flock(held, fcntl.LOCK_EX)
            assert database.last_wait() == 0
            waiting = threading.Thread(target=_write_elsewhere, args=(app, "second"))
            waiting.start()
            told = eventually(database.last_wait)
            fcntl.flock(held, fcntl.LOCK_UN)
            waiting.join()
            assert abs(clock.now().timestamp() - told) < 60

    def test_transaction_is_given_up_for_who_begins_to_wait(self, app: Flask) -> None:
        def write(waiting: threading.Thread) -> None:
            with database.writing() as connection, database.giving_way(connection):
                connection.execute(new_guess())
                waiting.start()
                connection.exec_driver_sql(LONG, (100_000_000,))

        with app.app_context():
            waiting = threading.Thread(target=_write_elsewhere, args=(app, "other"))
            with pytest.raises(database.GaveWay):
                write(waiting)
            waiting.join()
            with database.reading() as connection:
                assert connection.scalars(select(Guess.key)).all() == ["other"]

    def test_nothing_is_given_up_for_nobody_nor_past_the_block(self, app: Flask) -> None:
        times = iter(range(10))

        def wait() -> None:
            os.utime(f"{sqlite_file(app)}-queue", (0, next(times)))  # as who waits does

        def give_way(connection: Connection, before: Callable[[], None]) -> None:
            with database.giving_way(connection):
                before()
                connection.exec_driver_sql(LONG, (100_000,))

        with app.app_context(), db.engine.connect() as connection:
            give_way(connection, lambda: None)
            wait()
            connection.exec_driver_sql(LONG, (100_000,))
            with pytest.raises(database.GaveWay):
                give_way(connection, wait)
            wait()
            connection.exec_driver_sql(LONG, (100_000,))

    def test_fault_is_no_giving_way(self, app: Flask) -> None:
        def fail() -> None:
            with database.writing() as connection, database.giving_way(connection):
                os.utime(f"{sqlite_file(app)}-queue", (0, 0))
                connection.exec_driver_sql("SELECT nonsense")

        with app.app_context(), pytest.raises(OperationalError, match="nonsense"):
            fail()

    def test_queue_that_nobody_leaves_only_delays(
        self, make_app: AppFactory, patient_for: Callable[[float], None]
    ) -> None:
        patient_for(0.2)
        app = make_app()
        _write_elsewhere(app, "first")
        with open(f"{sqlite_file(app)}-queue", "r+") as queue:
            fcntl.flock(queue, fcntl.LOCK_EX)
            start = time.monotonic()
            _write_elsewhere(app, "second")
            assert time.monotonic() - start >= 0.2
        assert guesses(app) == 2

    def test_wait_for_the_turn_and_for_the_lock_are_one(
        self, make_app: AppFactory, patient_for: Callable[[float], None]
    ) -> None:
        """A writer of ours has both: who waits gives up without beginning to wait once more."""
        patient_for(0.2)
        app = make_app()
        _write_elsewhere(app, "first")
        with app.app_context(), database.reading() as connection:
            # SQLite itself would wait as long as tests do.
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
        with ThreadPoolExecutor() as others, open(f"{sqlite_file(app)}-queue", "r+") as queue, held(app):
            fcntl.flock(queue, fcntl.LOCK_EX)
            refused = others.submit(_write_elsewhere, app, "second")
            assert isinstance(refused.exception(PATIENCE / 2), OperationalError)
        with app.app_context(), database.reading() as connection:  # the same, which is the only one
            assert connection.scalar(text("PRAGMA busy_timeout")) == 200

    def test_two_processes_that_write_back_to_back_take_turns(
        self, app: Flask, settings: dict[str, str]
    ) -> None:
        """Without the queue the one that waits sleeps ever longer and hardly gets a turn (docs/adr/0004)."""
        writer = (
            "import sys\n"
            "from app import create_app, database\n"
            "from sqlalchemy import text\n"
            "app = create_app(__import__('config').load())\n"
            "with app.app_context():\n"
            "    while True:\n"
            "        with database.writing() as connection:\n"
            "            connection.execute(text('UPDATE guesses SET count = count + 1'))\n"
            "        print('.', end='', flush=True)\n"
        )
        _write_elsewhere(app)
        busy = subprocess.Popen(
            [sys.executable, "-c", writer], env={**os.environ, **settings}, stdout=subprocess.PIPE
        )
        with busy:
            assert busy.stdout
            assert busy.stdout.read(3) == b"..."
            waits = []
            with app.app_context():
                for _ in range(30):
                    start = time.monotonic()
                    with database.writing() as connection:
                        connection.execute(text("UPDATE guesses SET count = 0"))
                    waits.append(time.monotonic() - start)
            busy.kill()
        assert sorted(waits)[24] < 0.25  # four of five; the machine may be busy

    @pytest.mark.asvs("1.4.3")
    def test_closed_connections_leave_no_descriptor(self, app: Flask) -> None:
        def descriptors() -> int:
            return sum(
                os.path.realpath(f"/proc/self/fd/{fd}").startswith(sqlite_file(app))
                for fd in os.listdir("/proc/self/fd")
            )

        with app.app_context():
            db.engine.dispose()
            before = descriptors()  # of the fast entrance, which keeps its own
            for number in range(5):
                with database.writing() as connection:
                    connection.execute(new_guess(str(number)))
                    assert descriptors() >= before + 2
                db.engine.dispose()
        assert descriptors() == before


class TestPostgreSQL:
    @pytest.fixture
    def database_url(self, postgres_url: str) -> str:
        return postgres_url

    def test_nobody_waits_for_a_lock_without_end(
        self, make_app: AppFactory, patient_for: Callable[[float], None]
    ) -> None:
        patient_for(5)
        with make_app().app_context(), database.reading() as connection:
            assert connection.scalar(text("SHOW lock_timeout")) == "5s"

    def test_visitor_waits_no_longer_where_others_stand_in_line_for_the_same_link(
        self, make_app: AppFactory, patient_for: Callable[[float], None]
    ) -> None:
        """`lock_timeout` bounds the wait for each lock: who is second in line has two, his place and the row."""
        patient_for(0.2)
        app = make_app()
        make_link(sign_up(app, "alice"), code="few", max_clicks=1)
        link_id = stored_link(app, "few")["id"]
        with app.app_context(), database.writing() as connection:
            connection.execute(update(Link).values(title="busy"))
            with pytest.raises(OperationalError, match="statement timeout"):
                visits.spend(link_id, clock.now())

    def test_each_statement_sees_what_was_committed_before_it_whatever_the_server_is_set_to(
        self, make_app: AppFactory, postgres_url: str
    ) -> None:
        """`owners.hold` and more ask again once they have waited for their turn."""
        options = {"options": "-c default_transaction_isolation=serializable"}
        stricter = make_url(postgres_url).update_query_dict(options).render_as_string(hide_password=False)
        with make_app(DATABASE_URL=stricter).app_context():
            for begun in (database.reading, database.writing):
                with begun() as connection:
                    assert (
                        connection.scalar(SERVERS_OWN, {"name": "default_transaction_isolation"})
                        == "serializable"
                    )
                    assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"

    @pytest.mark.parametrize("begun", [database.reading, database.writing])
    def test_connection_that_the_server_closed_is_replaced(
        self, make_app: AppFactory, postgres_url: str, begun: Callable[[], Any]
    ) -> None:
        with make_app().app_context():  # whose pool holds one connection
            before = _backend()
            assert _backend() == before
            with psycopg.connect(postgres_url.replace("+psycopg", "")) as other:
                closed = other.execute(f"SELECT pg_terminate_backend({before}, {int(PATIENCE * 1000)})")
                assert closed.fetchone() == (True,)
            with begun() as connection:
                assert connection.scalar(text("SELECT pg_backend_pid()")) != before
            assert _backend() != before

    def test_statements_are_not_prepared(self, make_app: AppFactory) -> None:
        with make_app().app_context():
            for _ in range(10):
                _backend()
            with database.reading() as connection:
                assert connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0

    def test_reading_needs_no_transaction_but_for_what_is_read_bit_by_bit(self, app: Flask) -> None:
        numbers = text("SELECT i FROM generate_series(1, 10) AS i")
        with app.app_context(), database.reading() as connection:
            raw: Any = connection.connection.dbapi_connection
            assert connection.scalars(numbers).all() == list(range(1, 11))
            assert raw.info.transaction_status == TransactionStatus.IDLE
            with connection.scalars(numbers, execution_options={"yield_per": 3}) as bits:
                assert next(bits) == 1
                assert raw.info.transaction_status == TransactionStatus.INTRANS
                assert list(bits) == list(range(2, 11))
            with pytest.raises(DBAPIError, match="read-only transaction"):
                connection.execute(new_guess())
            connection.rollback()
            assert connection.scalar(text("SELECT 1")) == 1
            assert raw.info.transaction_status == TransactionStatus.IDLE
        with app.app_context(), database.writing() as connection:
            connection.execute(new_guess())
            raw = connection.connection.dbapi_connection
            assert raw.info.transaction_status == TransactionStatus.INTRANS
        assert guesses(app) == 1

    def test_reading_at_an_isolation_of_its_own_sees_one_state_throughout(self, app: Flask) -> None:
        count = select(func.count()).select_from(Guess)
        with app.app_context(), database.reading() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ")
            assert connection.scalar(count) == 0
            _write_elsewhere(app)
            assert connection.scalar(count) == 0
        assert guesses(app) == 1

    def test_what_the_url_says_of_connecting_is_kept(self, make_app: AppFactory, postgres_url: str) -> None:
        url = make_url(postgres_url).update_query_dict({"keepalives_idle": "7"})
        app = make_app(DATABASE_URL=url.render_as_string(hide_password=False))
        with app.app_context(), database.reading() as connection:
            raw: Any = connection.connection.dbapi_connection
            told = raw.info.get_parameters()
        assert (told["keepalives_idle"], told["keepalives_count"]) == ("7", "3")


def _backend() -> Any:
    """The server's process of the connection that a reading gets."""
    with database.reading() as connection:
        return connection.scalar(text("SELECT pg_backend_pid()"))


def _write_elsewhere(app: Flask, key: str = "k") -> None:
    """In an application context of its own, so on a connection of its own."""
    with app.app_context(), database.writing() as connection:
        connection.execute(new_guess(key))
