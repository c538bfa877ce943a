"""What tests found out in numbers, told at the end of a run: a plugin of pytest (`tests/conftest.py` names it)."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

_FIGURE, _CELL = "figure", "cell"


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Tell a sentence with a figure in it."""
    return lambda sentence: record_property(_FIGURE, sentence)


@pytest.fixture
def cell(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Count cells of a matrix that this test asserted: ``cell("CSRF")``, ``cell("authorization", 812)``."""
    return lambda matrix, number=1: record_property(_CELL, (matrix, number))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    told = [
        (name, value)
        for report in terminalreporter.stats.get("passed", [])
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
    ]
    cells: Counter[str] = Counter()
    for name, value in told:
        if name == _CELL:
            cells[value[0]] += value[1]
    for line in sorted(str(value) for name, value in told if name == _FIGURE):
        terminalreporter.write_line(line)
    for matrix, number in sorted(cells.items()):
        terminalreporter.write_line(f"{matrix} matrix: {number:,} cells asserted")
