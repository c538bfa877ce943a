"""One sweep over every route: what HTTP asks of it, as a table (`make conformance` prints it).

Each column has its control: the same sweep over the same application with that one thing spoilt has to be red.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guards.conformance import COLUMNS, Column, Stage, name
from tests.guards.routes import api_routes
from tests.issuer import issuing
from tests.mailbox import UNLIMITED
from tests.sharing import shared

SIGNS = {True: "ok", False: "RED", None: "."}
Cells = dict[str, bool | None]


@pytest.fixture(scope="module")
def stage(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    limits = ("ANONYMOUS", "USER", "CREATE")
    settings = {
        "RATELIMIT_ENABLED": "true",
        "GUESSES_LOGIN_IP": "none",
        "GUESSES_ACCOUNT": "none",
        "GUESSES_ACCOUNT_DAY": "none",
    }
    settings |= UNLIMITED
    settings |= {f"LIMIT_{limit}": "none" for limit in limits}
    with shared(sqlite_template, tmp_path_factory.mktemp("stage"), **settings) as app, issuing() as issuer:
        yield Stage(app, issuer)


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, Cells]]:
    """Filled by the sweep, printed at its end."""
    cells: dict[str, Cells] = {}
    yield cells
    print("\n" + shown(cells))  # noqa: T201 - what `make conformance` is for


def shown(cells: dict[str, Cells]) -> str:
    widest = max(len(name(route)) for route in api_routes())
    lines = [" " * widest + "  " + "  ".join(cells)]
    for route in api_routes():
        signs = (SIGNS[found[name(route)]].ljust(len(title)) for title, found in cells.items())
        lines.append(name(route).ljust(widest) + "  " + "  ".join(signs))
    return "\n".join(lines)


def swept(stage: Stage, column: Column) -> Cells:
    with stage.set(**column.settings):
        return {name(route): column.check(stage, route) for route in api_routes()}


def title(column: Column) -> str:
    return column.title


@pytest.mark.parametrize("column", COLUMNS, ids=title)
def test_every_route_is_as_http_asks(stage: Stage, table: dict[str, Cells], column: Column) -> None:
    table[column.title] = cells = swept(stage, column)
    assert [route for route, cell in cells.items() if cell is False] == []
    assert [route for route, cell in cells.items() if cell], "the column is empty: nothing was shown"


@pytest.mark.parametrize("column", COLUMNS, ids=title)
def test_what_is_spoilt_turns_red(stage: Stage, column: Column) -> None:
    """The control, at every third route, another third for the next column."""
    some = api_routes()[COLUMNS.index(column) % 3 :: 3]
    with stage.set(**{**column.settings, **column.spoilt}), stage.spoilt(column.spoil):
        cells = {name(route): column.check(stage, route) for route in some}
    assert [route for route, cell in cells.items() if cell] == []
    assert [route for route, cell in cells.items() if cell is False]
