"""No secret and no full address turns up where it does not belong, on both engines."""

import io
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import make_url

from app import create_app
from app.extensions import db
from config import load
from tests.conftest import environment, execute_on_server, new_postgres_database
from tests.security.canaries import PLACES, PLANT, House, leaks
from tests.security.driving import drive, work

Seen = tuple[House, dict[str, str]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        yield f"sqlite:///{shutil.copy(template, tmp_path_factory.mktemp('canaries') / 'slugline.db')}"
        return
    server = request.getfixturevalue("postgres_server")
    template = make_url(request.getfixturevalue("postgres_template")).database
    made = new_postgres_database(server, template=template)
    yield made
    execute_on_server(server, f"DROP DATABASE {make_url(made).database} WITH (FORCE)")


@pytest.fixture(scope="module")
def seen(url: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """A house that was driven through everything, and what was in each place then."""
    folder: Path = tmp_path_factory.mktemp("driven")
    with redis.Redis.from_url(valkey_url) as connection:
        connection.flushall()
    settings = {"LOG_LEVEL": "DEBUG", "REDIS_URL": valkey_url, "SECURITY_LOG": str(folder / "security.log")}
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    app = create_app(load({**environment(url, folder), **settings, "RATELIMIT_ENABLED": "true"}))
    written = io.StringIO()
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(written)
    house = House(app, written, valkey_url)
    with pytest.MonkeyPatch.context() as patch:
        drive(house, patch)
    spool = PLACES["spool"](house)
    work(house)
    yield house, {name: read(house) for name, read in PLACES.items()} | {"spool": spool}
    root.handlers[:], root.level = handlers, level
    with app.app_context():
        db.engine.dispose()


@pytest.mark.asvs("14.2.4", "16.2.5")
@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_found_but_a_planted_one_is(seen: Seen, place: str) -> None:
    house, found = seen
    assert len(found[place]) > 20, "nothing was looked at"
    assert leaks(found[place], house.canaries) == set()
    PLANT[place](house, house.canaries["link password"])
    assert "link password" in leaks(PLACES[place](house), house.canaries)


def test_every_place_has_a_leak_planted() -> None:
    assert PLACES.keys() == PLANT.keys()


def test_events_tell_what_happened_all_the_same(seen: Seen) -> None:
    _, found = seen
    told = found["security log"]
    for action in (
        "session.refused",
        "session.token_reused",
        "password.changed",
        "link.created",
        "audit.exported",
    ):
        assert f'"action": "{action}"' in told
    assert found["logs of all levels"].count('"unexpected error"') == 3
    assert "IntegrityError" in found["logs of all levels"]
    assert "193.99.144.0/24" in told
    assert "2a02:2e0:3fe::/48" in told


@pytest.mark.parametrize(
    "spelt",
    [
        "x canary Password 7f3a x",
        "CANARY PASSWORD 7F3A",
        "canary%20Password%207f3a",
        "Y2FuYXJ5IFBhc3N3b3JkIDdmM2E=",
        "dXNlcjpjYW5hcnkgUGFzc3dvcmQgN2YzYQ==",  # user:… in Basic
        "63616e6172792050617373776f72642037663361",
    ],
)
def test_secret_is_found_however_it_is_spelt(spelt: str) -> None:
    assert "password" in leaks(spelt, {"password": "canary Password 7f3a"})
