"""What is said of OWASP ASVS 5.0.0 (asvs.yml) and of OWASP's API Security Top 10 (docs/security.md) is said of tests
that there are, and the marks of the tests say the same."""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "tests/security/asvs.yml").read_text()
ITEMS: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)
SECURITY = (ROOT / "docs/security.md").read_text()
# Chapter of ASVS 5.0.0 > its items of level 1 and of level 2: 70 and 183 in all.
STANDARD = {
    1: (8, 19),
    2: (4, 7),
    3: (8, 11),
    4: (2, 8),
    5: (4, 5),
    6: (13, 22),
    7: (6, 12),
    8: (4, 3),
    9: (4, 3),
    10: (5, 24),
    11: (3, 11),
    12: (3, 6),
    13: (1, 12),
    14: (2, 7),
    15: (3, 10),
    16: (0, 16),
    17: (0, 7),
}
WORDS = {"by", "not_applicable", "left_out"}
TEST = re.compile(r"tests/[\w/]+\.py::[\w:]+")
PATH = re.compile(r"(?<![\w/.])(?:app|docs|tests|nginx)/[\w./-]+\b|\b[\w.-]+\.(?:md|ya?ml|toml|txt)\b")


def marked_tests(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Each test of a module by its node id, and the items that its marks name. Its source is read and not imported:
    under xdist no process collects them all, and a test of the system is not collected everywhere."""

    def within(body: list[ast.stmt], before: str) -> Iterator[tuple[str, set[str]]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from within(node.body, f"{before}::{node.name}")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield f"{before}::{node.name}", marked(node)

    yield from within(ast.parse(path.read_text()).body, str(path.relative_to(ROOT)))


def marked(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    marks = [mark for mark in node.decorator_list if ast.unparse(mark).startswith("pytest.mark.asvs(")]
    return {
        f"V{ast.literal_eval(item)}" for mark in marks if isinstance(mark, ast.Call) for item in mark.args
    }


@pytest.fixture(scope="module")
def marks() -> dict[str, set[str]]:
    """Every test there is > the items that it is marked with."""
    return {node: items for path in (ROOT / "tests").rglob("test_*.py") for node, items in marked_tests(path)}


def faults(items: dict[str, dict[str, Any]], marks: dict[str, set[str]]) -> set[str]:
    """Where the file and the marks say different things."""
    said = {(item, test) for item, told in items.items() for test in told.get("tests", ())}
    meant = {(item, test) for test, named in marks.items() for item in named}
    missing = {f"{item}: there is no {test}" for item, test in said if test not in marks}
    unmarked = {f"{item}: {test} has no mark of it" for item, test in said - meant if test in marks}
    return missing | unmarked | {f"{item}: {test} is not listed" for item, test in meant - said}


def test_each_item_of_both_levels_is_there_once() -> None:
    assert len(re.findall(r"^V", TEXT, re.MULTILINE)) == len(ITEMS), "YAML keeps the last of two"
    found = Counter((int(re.fullmatch(r"V(\d+)\.\d+\.\d+", item)[1]), ITEMS[item]["level"]) for item in ITEMS)
    assert {chapter: (found[chapter, 1], found[chapter, 2]) for chapter, _ in found} == STANDARD


def test_each_item_says_one_thing() -> None:
    """Tests, or in words why there are none; beside a gap in words the tests of what is not left out."""
    for item, told in ITEMS.items():
        said = told.keys() - {"level", "about"}
        assert said in ({"tests"}, {"left_out", "tests"}, *({word} for word in WORDS)), item
        assert "tests" in said or told["level"] < 3, (
            f"{item}: nothing is promised of level 3 but what tests prove"
        )
        assert all(told[word] for word in said | {"about"}), item


def test_marks_and_items_say_the_same(marks: dict[str, set[str]]) -> None:
    assert faults(ITEMS, marks) == set()


def test_each_difference_is_found(marks: dict[str, set[str]]) -> None:
    """The control."""
    test = next(test for test, named in marks.items() if "V6.2.5" in named)
    assert faults(ITEMS, {**marks, test: marks[test] - {"V6.2.5"}}) == {f"V6.2.5: {test} has no mark of it"}
    assert faults(ITEMS, {**marks, test: marks[test] | {"V6.2.3"}}) == {f"V6.2.3: {test} is not listed"}
    gone = faults(ITEMS, {other: named for other, named in marks.items() if other != test})
    assert f"V6.2.5: there is no {test}" in gone


def test_what_words_refer_to_is_there() -> None:
    words = {f"{told[word]}" for told in ITEMS.values() for word in WORDS & told.keys()}
    named = {path.rstrip(".") for text in words for path in PATH.findall(text)}
    assert len(named) > 20
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("number", range(1, 11))
def test_risk_of_apis_is_met_by_tests_that_there_are(number: int, marks: dict[str, set[str]]) -> None:
    [row] = re.findall(rf"^\| API{number}:2023 .*$", SECURITY, re.MULTILINE)
    named = TEST.findall(row)
    assert named
    assert [test for test in named if test not in marks] == []


def test_how_many_are_proven_is_told(figure: Callable[[str], None]) -> None:
    for level in (1, 2):
        told = Counter(
            next(word for word in ("left_out", "tests", "by", "not_applicable") if word in item)
            for item in ITEMS.values()
            if item["level"] == level
        )
        figure(
            f"ASVS 5.0 level {level}: {told.total()} items, {told['tests']} proven by tests, {told['by']} otherwise,"
            f" {told['not_applicable']} not applicable, {told['left_out']} left out, wholly or in part"
        )
        assert told.total() == sum(items[level - 1] for items in STANDARD.values())
