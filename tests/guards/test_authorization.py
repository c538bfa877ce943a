"""The authorization matrix: role x route x ownership x credential, every cell as the policy has it.

Controls: a door that is loosened, and a policy that is, has to turn its own cells red.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.accounts.principals import Principal
from app.api import blueprint
from app.api.access import Access
from app.api.transaction import committed
from tests.guards import authorization
from tests.guards.authorization import CREDENTIALS, POLICY, Answer, Cell, Policy, Stage, cells, expected
from tests.guards.conformance import name
from tests.guards.routes import Route, api_routes
from tests.sharing import shared

Wrong = dict[Cell, tuple[Answer, Answer]]
BY_NAME = {name(route): route for route in api_routes()}


@pytest.fixture(scope="module")
def stage(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with shared(sqlite_template, tmp_path_factory.mktemp("matrix"), LOG_LEVEL="ERROR") as app:
        yield Stage(app)


def wrong(stage: Stage, *routes: Route, policy: dict[str, Policy] = POLICY) -> Wrong:
    """The cells that are answered otherwise than the policy says: what was, and what it says."""
    found: Wrong = {}
    for cell in cells(routes):
        said = expected(policy[name(cell.route)], cell.role, CREDENTIALS[cell.credential], cell.whose)
        if (answer := stage.ask(cell)) != said:
            found[cell] = answer, said
    return found


def without_policy(policy: dict[str, Policy]) -> set[str]:
    """What stands in one of routes and policy alone."""
    return set(BY_NAME) ^ set(policy)


def test_every_route_has_a_policy_and_every_policy_a_route() -> None:
    assert without_policy(POLICY) == set()
    assert without_policy({**POLICY, "GET /nowhere": Policy(200)}) == {"GET /nowhere"}


def test_every_cell_is_answered_as_the_policy_says(stage: Stage) -> None:
    asked = list(cells(api_routes()))
    found = wrong(stage, *api_routes())
    print(f"\nauthorization matrix: {len(asked)} cells of {len(BY_NAME)} routes")  # noqa: T201 - to be shown
    assert [f"{cell}: {was}, not {said}" for cell, (was, said) in found.items()] == []
    assert len(asked) > 4_000


@pytest.mark.parametrize(
    ("route", "loosened", "let_in"),
    [
        ("POST /cache/invalidate", Access("scope", "user", ("access",), "admin"), {"user", "manager"}),
        ("GET /auth/sessions", Access("scope", "user", ("access",), "links:read"), {"key links:read"}),
        ("GET /links/<code>", Access("scope", "user", ("access",), "stats:read"), {"key stats:read"}),
    ],
)
def test_mark_that_is_loosened_turns_red(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, route: str, loosened: Access, let_in: set[str]
) -> None:
    views, endpoint = stage.app.view_functions, BY_NAME[route].endpoint
    view = views[endpoint].__wrapped__.__wrapped__  # type: ignore[attr-defined]  # by functools.wraps
    monkeypatch.setitem(views, endpoint, committed(blueprint._guarded(view, loosened)))
    found = wrong(stage, BY_NAME[route])
    assert let_in & {part for cell in found for part in (cell.role, cell.credential)} == let_in


def test_key_that_may_do_everything_turns_red(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Principal, "may", lambda *_: True)
    found = wrong(stage, BY_NAME["GET /users/me"])
    scoped = {named for named in CREDENTIALS if named.startswith("key ") and ":" in named}
    assert {cell.credential for cell in found} == scoped - {"key users:read"} | {
        "key admin",
        "key of no scope",
    }


def test_policy_that_is_loosened_turns_red(stage: Stage) -> None:
    route = "GET /links/<code>"
    shared_with = {**POLICY, route: replace(POLICY[route], others="manager")}
    found = wrong(stage, BY_NAME[route], policy=shared_with)
    assert {cell.whose for cell in found} == {authorization.FOREIGN}
    assert {cell.role for cell in found} == {"manager", "admin"}
