"""The authorization matrix: role x route x ownership x credential, every cell as the policy has it.

Controls: a door that is loosened, and a policy that is, has to turn its own cells red.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.accounts import second_factor
from app.accounts.principals import Principal
from app.api import blueprint, csrf
from app.api.access import Access
from app.api.transaction import committed
from tests.guards.authorization import CREDENTIALS, FOREIGN, Answer, Cell, Stage, cells, expected
from tests.guards.conformance import name
from tests.guards.policy import POLICY, WITHHELD, Policy
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
    for cell in cells(routes, policy):
        said = expected(policy[name(cell.route)], cell)
        if (answer := stage.ask(cell)) != said:
            found[cell] = answer, said
    return found


def without_policy(policy: dict[str, Policy]) -> set[str]:
    """What stands in one of routes and policy alone."""
    return set(BY_NAME) ^ set(policy)


@pytest.mark.asvs("8.2.1")
def test_every_route_has_a_policy_and_every_policy_a_route() -> None:
    assert without_policy(POLICY) == set()
    assert without_policy({**POLICY, "GET /nowhere": Policy(200)}) == {"GET /nowhere"}


@pytest.mark.asvs("8.2.1", "8.2.2", "8.3.1")
def test_every_cell_is_answered_as_the_policy_says(stage: Stage, cell: Callable[[str, int], None]) -> None:
    asked = list(cells(api_routes(), POLICY))
    found = wrong(stage, *api_routes())
    assert [f"{wrongly}: {was}, not {said}" for wrongly, (was, said) in found.items()] == []
    assert len(asked) > 3_500
    cell("authorization", len(asked))


@pytest.mark.asvs("16.5.3")
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


def test_csrf_token_that_is_not_asked_for_turns_red(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csrf, "check", lambda *_: None)
    found = wrong(stage, BY_NAME["PATCH /users/me"])
    assert {cell.credential for cell in found} == {"cookies without CSRF token"}


def test_second_factor_that_is_not_asked_for_turns_red(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_factor, "is_needed", lambda _: False)
    found = wrong(stage, BY_NAME["GET /users"], BY_NAME["POST /api-keys"])
    assert {cell.role for cell in found} == {WITHHELD}
    assert {name(cell.route) for cell in found} == {"GET /users", "POST /api-keys"}


def test_everybody_who_moderates_turns_red(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Principal, "moderates", True)
    found = wrong(stage, BY_NAME["GET /links/<code>/stats"])
    assert {cell.whose for cell in found} == {FOREIGN}
    assert {cell.role for cell in found} >= {"user", WITHHELD}


@pytest.mark.parametrize(
    ("route", "loosened", "red"),
    [
        ("DELETE /links/<code>", {"others": "manager"}, {"manager", "admin"}),
        ("PATCH /users/<user_id>", {"role": "manager"}, {"manager"}),
        ("POST /users/me/totp", {"is_guarded": False}, {WITHHELD}),
    ],
)
def test_policy_that_is_loosened_turns_red(
    stage: Stage, route: str, loosened: dict[str, Any], red: set[str]
) -> None:
    found = wrong(stage, BY_NAME[route], policy={**POLICY, route: replace(POLICY[route], **loosened)})
    assert {cell.role for cell in found} == red
