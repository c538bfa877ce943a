"""Rules of the house that import-linter and ruff do not see (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "app").rglob("*.py"))
NOUNS = [
    path
    for path in MODULES
    if path.relative_to(ROOT / "app").parts[0] in ("audit", "accounts", "links", "clicks")
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(path: Path) -> Iterator[str]:
    """Every call of the module, as `name` or `owner.name`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_import_inside_a_function(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = [part for part in ast.walk(node) if isinstance(part, (ast.Import, ast.ImportFrom))]
            assert not inner, f"{name_of(path)}:{inner[0].lineno if inner else 0}"


@pytest.mark.parametrize(
    "path", [*MODULES, ROOT / "config.py", *(ROOT / "settings").glob("*.py")], ids=name_of
)
def test_time_is_asked_of_the_clock_alone(path: Path) -> None:
    asked = {call for call in calls(path) if call.endswith((".now", ".utcnow", ".today", "utcfromtimestamp"))}
    allowed = {"datetime.now"} if path.name == "clock.py" else {"clock.now"}
    assert asked <= allowed


@pytest.mark.parametrize("path", NOUNS, ids=name_of)
def test_nouns_do_not_see_requests_and_do_not_commit(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "flask"
        for alias in node.names
    }
    assert imported & {"request", "session", "g", "abort", "jsonify", "make_response"} == set()
    assert {call for call in calls(path) if call.endswith("session.commit")} == set()


def test_factory_is_a_table_of_contents() -> None:
    assert len((ROOT / "app" / "__init__.py").read_text().splitlines()) <= 40


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_does_one_job(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    if path.read_text().strip():
        assert ast.get_docstring(ast.parse(path.read_text())), "no docstring says what the module is for"
