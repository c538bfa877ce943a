"""Fixtures: the application on real databases, and people who call it.

`app` comes twice, on SQLite and on PostgreSQL; every database is a copy of one that the migrations made.
"""

import gc
import itertools
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask_migrate
import hypothesis
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import make_url
from werkzeug.test import TestResponse

from app import caching, create_app, database
from app.accounts import passwords, sessions, turns, users
from app.accounts.devices import Device
from app.audit import circumstances
from app.audit.circumstances import Circumstances
from app.clicks import recorder
from app.extensions import db
from config import load
from tests import servers
from tests.e2e.processes import PATIENCE

gc.disable()  # until the first test (`pytest_runtestloop`)
# Speed is measured in bench/, never in a test.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
# What waits for its turn waits for as long as a slow or paused machine takes; tests of who gives up say when.
database._BUSY_TIMEOUT = turns._PATIENCE = caching._PATIENCE = PATIENCE


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for processes that they have started."""
    return min(os.cpu_count() or 1, 3) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with processes of their own first: one process of ours takes them all, waits for them while the others
    work, and starts none of them twice."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/e2e/"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """From here on there is garbage; ten thousand tests are none, and are not looked through for it again."""
    gc.freeze()
    gc.enable()


pytest_plugins = ["tests.contract.totals", "tests.figures", "tests.installations"]
PASSWORD = "correct horse battery"
SECRETS = {"SECRET_KEY": "f3c1" * 4 + "9a7be5d2" * 2, "JWT_SECRET": "0d4e8b6a" * 2 + "c2f19573" * 2}
AppFactory = Callable[..., Flask]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running PostgreSQL's `postgres` database."""
    with servers.postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The URL of a running Valkey."""
    with servers.valkey() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    _migrate(f"sqlite:///{path}", path.parent)
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated PostgreSQL database, to be cloned."""
    url = new_postgres_database(postgres_server)
    _migrate(url, tmp_path_factory.mktemp("template-pg"))
    return url


@pytest.fixture(scope="session")
def reusable_sqlite(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["ReusableSQLite"]:
    database = ReusableSQLite(sqlite_template, tmp_path_factory)
    yield database
    database.close()


@pytest.fixture
def sqlite_url(reusable_sqlite: "ReusableSQLite") -> Iterator[str]:
    yield reusable_sqlite.url
    reusable_sqlite.clean()


@pytest.fixture(scope="session")
def reusable_postgres(postgres_server: str, postgres_template: str) -> Iterator["ReusablePostgres"]:
    database = ReusablePostgres(postgres_server, postgres_template)
    yield database
    database.close()


@pytest.fixture
def postgres_url(reusable_postgres: "ReusablePostgres") -> Iterator[str]:
    yield reusable_postgres.url
    reusable_postgres.clean()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database, once on each engine."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a test application; a test may change it before it asks for `app`."""
    return environment(database_url, tmp_path)


@pytest.fixture
def make_app(settings: dict[str, str]) -> Iterator[AppFactory]:
    """Make an application with settings of one's own: ``make_app(PROXY_HOPS="1")``."""
    apps: list[Flask] = []

    def make(**changes: str) -> Flask:
        app = create_app(load({**settings, **changes}))
        apps.append(app)
        return app

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(database_url: str, shared_apps: "SharedApps") -> Iterator[Flask]:
    """An application with the settings of the tests; `make_app` is for other settings and for more routes."""
    app = shared_apps.on(database_url)
    yield app
    shared_apps.reset(app)


@pytest.fixture(scope="session")
def shared_apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SharedApps"]:
    apps = SharedApps(tmp_path_factory)
    yield apps
    apps.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@dataclass
class Caller:
    """Somebody who calls the API; signed in unless `token` is None. Paths are relative to /api/v1."""

    client: FlaskClient
    id: str = ""
    email: str = ""
    token: str | None = None
    refresh_token: str | None = None

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = dict(options.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if "json" in options:
            # The standard encoder: it also writes what the application's would refuse to (lone surrogates, NaN).
            options |= {"data": json.dumps(options.pop("json")), "content_type": "application/json"}
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.call("POST", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        return self.call("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        return self.call("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.call("DELETE", path, **options)


def sign_up(app: Flask, name: str) -> Caller:
    """Somebody who has just registered as `name` and signed in."""
    with app.app_context():
        caller = signed_up(app, name)
        db.session.commit()
    return caller


def signed_up(app: Flask, name: str, role: str = "user") -> Caller:
    """The same in a transaction that is not committed yet, with a client (a thread's worth of cookies) of his own.

    Past the API, in a third of its time: what it answers to them is tested in tests/api/v1/test_auth_*.py.
    """
    caller = Caller(app.test_client(), email=f"{name}{next(_numbers)}@example.org")
    browser = caller.client.environ_base
    circumstances.begin(Circumstances(actor=None))  # nobody yet, as who registers
    user = users.add(caller.email, passwords.hashed(PASSWORD), name.title(), role)
    pair = sessions.begin(user, Device(browser["HTTP_USER_AGENT"], browser["REMOTE_ADDR"]), "password")
    circumstances.begin(Circumstances())
    caller.id, caller.token, caller.refresh_token = user.public_id, pair.access_token, pair.refresh_token
    return caller


@pytest.fixture
def anonymous(app: Flask) -> Caller:
    return Caller(app.test_client())


@pytest.fixture
def alice(app: Flask) -> Caller:
    """Owns what a test is about."""
    return sign_up(app, "alice")


@pytest.fixture
def bob(app: Flask) -> Caller:
    """Another signed-in user, who must be refused."""
    return sign_up(app, "bob")


def environment(database_url: str, folder: Path) -> dict[str, str]:
    """The variables of a test application whose data lies in `folder`."""
    return {
        "FLASK_CONFIG": "testing",
        "DATABASE_URL": database_url,
        "DATA_DIR": str(folder),
        "PUBLIC_URL": "http://sho.rt",
        "LIMIT_REGISTER": "none",  # of the houses with limits on, many have more people than sign up in a minute
        "LIMIT_AVATARS": "none",  # the guards send a picture for every route
        **SECRETS,
    }


_CLEAN = ";".join(
    f"DELETE FROM {table.name}" + (" WHERE host IS NOT NULL" if table.name == "domains" else "")
    for table in reversed(db.metadata.sorted_tables)
)


class ReusableSQLite:
    """A SQLite file that is emptied after each test, so that an application can stay on it.

    One that a test moved, whose schema it changed, or that is still locked, is left and another one taken.
    """

    _FINGERPRINT = (
        "SELECT type, name, sql, (SELECT version_num FROM alembic_version) FROM sqlite_master ORDER BY name"
    )

    def __init__(self, template: Path, folders: pytest.TempPathFactory) -> None:
        self._template = template
        self._folders = folders
        self._make()
        self._schema = self._fingerprint()

    @property
    def url(self) -> str:
        return f"sqlite:///{self._file}"

    def clean(self) -> None:
        """Make it as new for the next test."""
        try:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_CLEAN}; COMMIT")
            intact = self._fingerprint() == self._schema and self._file.stat().st_ino == self._inode
        except (sqlite3.Error, FileNotFoundError):
            intact = False
        if not intact:
            self.close()
            self._make()

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def _make(self) -> None:
        self._file = Path(shutil.copy(self._template, self._folders.mktemp("sqlite") / "slugline.db"))
        self._connection = sqlite3.connect(self._file, timeout=1)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._inode = self._file.stat().st_ino

    def _fingerprint(self) -> object:
        return self._connection.execute(self._FINGERPRINT).fetchall()


class SharedApps:
    """One application for each database, made once (100 ms) and put back after each test."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._apps: dict[str, Flask] = {}
        self._kept: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {}

    def on(self, url: str) -> Flask:
        if url not in self._apps:
            app = create_app(load(environment(url, self._folders.mktemp("data"))))
            self._apps[url] = app
            self._kept[url] = (dict(app.config), dict(app.view_functions), dict(app.extensions))
        return self._apps[url]

    def reset(self, app: Flask) -> None:
        """Undo what a test did to the application itself; its database is emptied by `database_url`."""
        url = next(url for url, known in self._apps.items() if known is app)
        for now, before in zip(
            (app.config, app.view_functions, app.extensions), self._kept[url], strict=True
        ):
            now.clear()
            now.update(before)
        _begin_a_new_spool(app)
        shutil.rmtree(app.config["AVATAR_DIR"], ignore_errors=True)
        caching.init_app(app)

    def close(self) -> None:
        for app in self._apps.values():
            with app.app_context():
                db.engine.dispose()


def _begin_a_new_spool(app: Flask) -> None:
    with app.app_context():
        recorder.recorder().spool._forked()  # closes its file, as in a child that must not write to it
    recorder.init_app(app)
    spool: Path = app.config["SPOOL_DIR"]
    shutil.rmtree(spool) if spool.is_dir() else spool.unlink(missing_ok=True)


class ReusablePostgres:
    """A PostgreSQL database that is emptied after each test (2 ms) instead of made anew (500 ms).

    One whose schema a test changed, or that cannot be emptied, is thrown away.
    """

    _CATALOGS = ("attribute", "constraint", "trigger", "index")
    _FINGERPRINT = "SELECT version_num, {} FROM alembic_version".format(
        ", ".join(f"(SELECT (count(*), max(xmin::text::bigint)) FROM pg_{name})" for name in _CATALOGS)
    )
    """The rows of the catalogs, and the latest transaction that wrote one."""

    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._template = template
        self._make()

    def close(self) -> None:
        """Let go of it; the server goes too."""
        self._connection.close()

    def clean(self) -> None:
        """Make it as new for the next test."""
        try:
            self._connection.execute(_CLEAN)
            intact = self._fingerprint() == self._schema
        except psycopg.Error:
            intact = False
        if not intact:
            self.close()
            execute_on_server(self._server, f"DROP DATABASE {make_url(self.url).database} WITH (FORCE)")
            self._make()

    def _make(self) -> None:
        self.url = new_postgres_database(self._server, template=make_url(self._template).database)
        self._connection = psycopg.connect(_plain(self.url), autocommit=True, options="-c lock_timeout=1s")
        self._schema = self._fingerprint()

    def _fingerprint(self) -> object:
        return self._connection.execute(self._FINGERPRINT).fetchone()


def new_postgres_database(server: str, template: str | None = None) -> str:
    """Create a database on the server; return its URL."""
    name = f"test_{next(_numbers)}"
    execute_on_server(server, f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def execute_on_server(server: str, statement: str) -> None:
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(statement)


def _plain(url: str) -> str:
    """The URL as libpq reads it, without SQLAlchemy's driver."""
    return url.replace("postgresql+psycopg://", "postgresql://")


def _migrate(url: str, folder: Path) -> None:
    app = create_app(load(environment(url, folder)))
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()
    _fold_wal(url)


def _fold_wal(url: str) -> None:
    """Bring all pages of a SQLite template into its main file, which alone is copied."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
