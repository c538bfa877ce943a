"""The table of ways into an account (`tests.security.ways`), asked of the application.

Controls: a guard that is taken away has to turn its own column red.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.accounts import notices, reauthentication
from app.audit import trail
from app.cli import keys, users
from tests.guards.conformance import name
from tests.guards.routes import api_routes
from tests.issuer import issuing
from tests.mailbox import subjects
from tests.security.people import Event, Stage
from tests.security.preparing import PREPARED
from tests.security.ways import ELSEWHERE, OPENS_NOTHING, PASSES, WAYS, Way
from tests.sharing import shared

UNLIMITED = dict.fromkeys(("GUESSES_LOGIN_IP", "GUESSES_ONE_TIME", "MAILS_ADDRESS", "MAILS_IP"), "none")
Cells = dict[str, tuple[object, object]]
"""By column: what was, and what the table says."""


@pytest.fixture(scope="module")
def stage(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("ways")
    with shared(sqlite_template, folder, LOG_LEVEL="ERROR", **UNLIMITED) as app, issuing() as issuer:
        yield Stage(app, issuer)


def looked_at(stage: Stage, way: str) -> Cells:
    """Every cell of a row."""
    said = WAYS[way]
    return _right(stage, way, said) | _refused(stage, way, said) | _wrong(stage, way, said)


def _right(stage: Stage, way: str, said: Way) -> Cells:
    person = stage.person()
    asked = PREPARED[way](stage, person)
    assert (said.wrong is None) == (asked.wrong is None and not asked.is_good_once), "a secret without a cell"
    subjects(stage.app)
    before = stage.latest()
    answered = stage.send(asked, person)
    told = subjects(stage.app, person.email)
    return {
        "answer": (answered, PASSES),
        "mails": (sorted(told), sorted(said.mails)),
        "events": (stage.recorded(before), _events(said.events, "success", said.by, said.owner)),
    }


def _refused(stage: Stage, way: str, said: Way) -> Cells:
    found: Cells = {}
    for column, answer, change in (("late", said.late, stage.age), ("half", said.half, stage.halve)):
        if answer is not None:
            person = stage.person()
            asked = PREPARED[way](stage, person)
            change(person)
            found[column] = stage.send(asked, person), answer
    return found


def _wrong(stage: Stage, way: str, said: Way) -> Cells:
    if said.wrong is None:
        return {}
    person = stage.person()
    asked = PREPARED[way](stage, person)
    if asked.is_good_once:
        stage.send(asked, person)
    subjects(stage.app)
    before = stage.latest()
    assert stage.send(asked, person, wrong=True) != PASSES
    return {
        "wrong": (stage.recorded(before), _events(said.wrong, "failure", said.wrong_by, said.wrong_owner)),
        "mails of a wrong one": (subjects(stage.app), []),
    }


def _events(actions: tuple[str, ...], outcome: str, by: str, owner: str) -> list[Event]:
    """A session ends well, whatever it was that ended it."""
    outcomes = {"session.ended": "success"}
    return sorted((action, outcomes.get(action, outcome), by, owner) for action in actions)


def red(stage: Stage, way: str) -> dict[str, object]:
    """The cells of a row that are not as the table says."""
    return {column: pair for column, pair in looked_at(stage, way).items() if pair[0] != pair[1]}


@pytest.mark.asvs("6.3.7", "7.5.1", "16.2.1", "16.3.1")
@pytest.mark.parametrize("way", WAYS)
def test_way_is_guarded_told_and_recorded_as_the_table_says(
    stage: Stage, way: str, cell: Callable[..., None]
) -> None:
    cells = looked_at(stage, way)
    assert {column: pair for column, pair in cells.items() if pair[0] != pair[1]} == {}
    cell("ways in", len(cells))


def unnamed(names: set[str]) -> set[str]:
    """The calls and commands about accounts that `names` lacks, and what it has too much."""
    calls = {name(route) for route in api_routes() if route.endpoint.partition(".")[0] not in ELSEWHERE}
    commands = {
        f"flask {group.name} {command}" for group in (users.group, keys.group) for command in group.commands
    }
    return (calls | commands) ^ names


def test_every_call_about_accounts_has_a_row_or_opens_nothing() -> None:
    rows = {way.partition(" of ")[0].partition(" by ")[0].partition(" to ")[0] for way in WAYS}
    assert unnamed(rows | set(OPENS_NOTHING)) == set()
    assert rows & set(OPENS_NOTHING) == set()
    assert unnamed(rows) == set(OPENS_NOTHING)
    assert set(PREPARED) == set(WAYS)


@pytest.mark.parametrize(
    ("guard", "way", "columns"),
    [
        ((reauthentication, "_refuse_late"), "POST /api-keys", {"late"}),
        ((reauthentication, "_refuse_half"), "POST /users/me/passkeys", {"half"}),
        ((reauthentication, "_refuse_half"), "PUT /users/me/email", {"half"}),
        ((notices, "tell"), "DELETE /users/me", {"mails"}),
        ((trail, "record"), "PUT /users/me/password", {"events", "wrong"}),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_guard_that_is_taken_away_turns_its_column_red(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, guard: tuple[object, str], way: str, columns: set[str]
) -> None:
    monkeypatch.setattr(*guard, lambda *_, **__: None)
    assert set(red(stage, way)) == columns
