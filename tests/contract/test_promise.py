"""`make spec-check`: what is promised is read from the history of main."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.contract.promise import CHANGELOG, DOCUMENT, NoHistory, examine, judge, main

TODAY = date(2027, 7, 1)
Edit = Callable[[dict[str, Any]], Any]


class Repository:
    """A project whose first commit is older than the promise, and whose second begins it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.document: dict[str, Any] = {"paths": {"/a": {"get": {"responses": {"200": {}}}}}}

    def begin(self) -> None:
        (self.root / "docs").mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        add("/draft")(self.document)
        self.write()
        self.commit()
        self.change(remove("/draft"), "Begun.")

    def git(self, *arguments: str, day: str = "2026-07-01") -> None:
        command = ["git", "-C", str(self.root), "-c", "user.name=t", "-c", "user.email=t@example.org"]
        when = {"GIT_COMMITTER_DATE": f"{day}T12:00:00Z"}
        subprocess.run([*command, *arguments], check=True, capture_output=True, env={**os.environ, **when})

    def write(self) -> None:
        (self.root / DOCUMENT).write_text(json.dumps(self.document))

    def tell(self, entry: str) -> None:
        with (self.root / CHANGELOG).open("a") as file:
            file.write(f"- {entry}\n")

    def commit(self, day: str = "2026-07-01") -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "c", day=day)

    def change(self, edit: Edit, entry: str, day: str = "2026-07-01") -> None:
        edit(self.document)
        self.write()
        self.tell(entry)
        self.commit(day)

    def examine(self) -> tuple[list[str], bool]:
        findings, behind = examine(self.root, TODAY)
        return [str(finding) for finding in findings], behind


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("promise") / "project"
    Repository(root).begin()
    return root


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Repository:
    return Repository(shutil.copytree(template, tmp_path / "project"))


def add(path: str, **operation: Any) -> Edit:
    return lambda document: document["paths"].update({path: {"get": {"responses": {}, **operation}}})


def remove(path: str) -> Edit:
    return lambda document: document["paths"].pop(path)


def test_what_was_there_before_the_promise_is_not_promised(repository: Repository) -> None:
    assert repository.examine() == ([], False)


def test_document_may_grow(repository: Repository) -> None:
    repository.change(add("/b"), "Added /b.")
    repository.change(add("/c"), "Added /c.")
    assert repository.examine() == ([], False)


def test_what_any_commit_promised_is_kept(repository: Repository) -> None:
    repository.change(add("/b"), "Added /b.")
    repository.change(remove("/b"), "Thought better of it.")
    repository.change(add("/c"), "Added /c.")
    assert repository.examine() == (["GET /b: removed"], False)


def test_uncommitted_break_is_found(repository: Repository) -> None:
    remove("/a")(repository.document)
    repository.write()
    assert repository.examine() == (["GET /a: removed"], True)


def test_drafts_of_a_merged_branch_are_not_promised(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "work")
    repository.change(add("/draft"), "Added /draft.")
    repository.change(remove("/draft"), "Called it /b.")
    repository.change(add("/b"), "Added /b.")
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "m", "work")
    assert repository.examine() == ([], False)
    remove("/b")(repository.document)
    repository.write()
    assert repository.examine()[0] == ["GET /b: removed"]


def test_promise_may_begin_with_a_merge(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "older", "HEAD~1")
    repository.git("merge", "-q", "--no-ff", "-m", "m", "main")
    repository.document["paths"].clear()
    repository.write()
    assert repository.examine()[0] == ["GET /a: removed"]


def test_change_that_is_told_to_clients_is_let_pass(repository: Repository) -> None:
    repository.change(remove("/a"), "Corrected: `GET /a: removed`, which never answered.")
    assert repository.examine() == ([], False)


def test_words_for_one_change_let_no_other_pass(repository: Repository) -> None:
    """`maxLength 20 is now 10` begins with what tells of 1."""
    repository.change(add("/a/b"), "Corrected: `GET /a/bc: removed`, and GET /a/b: removed.")
    repository.change(remove("/a/b"), "Removed.")
    assert repository.examine()[0] == ["GET /a/b: removed"]


@pytest.mark.parametrize(("day", "found"), [("2026-07-01", []), ("2026-07-02", ["GET /b: removed"])])
def test_notice_counts_from_the_day_of_the_commit(repository: Repository, day: str, found: list[str]) -> None:
    repository.change(add("/b"), "Added /b.")
    repository.change(add("/b", **{"x-sunset": "2027-07-01"}), "Deprecated /b.", day)
    repository.change(remove("/b"), "Removed /b.", "2027-07-01")
    assert repository.examine()[0] == found


def _with(sunset: str | None, kind: str = "string") -> dict[str, Any]:
    answer = {"content": {"application/json": {"schema": {"type": kind}}}}
    operation = {"responses": {"200": answer}, **({"x-sunset": sunset} if sunset else {})}
    return {"paths": {"/b": {"get": operation}}}


def _judged(announced: list[tuple[str, str | None]], current: dict[str, Any]) -> list[str]:
    """What is found after `announced`: days of commits, each with the sunset of GET /b that it told."""
    promised = [(date.fromisoformat(day), _with(sunset)) for day, sunset in announced]
    return sorted(str(finding) for finding in judge(promised, current, TODAY))


@pytest.mark.parametrize(
    "announced",
    [
        pytest.param([("2026-07-01", "2027-07-01")], id="a year ahead"),
        pytest.param([("2026-07-01", "2026-08-01"), ("2026-08-01", "2027-07-01")], id="postponed to a year"),
        pytest.param([("2020-02-29", "2021-03-01")], id="since a leap day"),
    ],
)
def test_call_may_go_after_its_sunset(announced: list[tuple[str, str | None]]) -> None:
    assert _judged(announced, {"paths": {}}) == []


@pytest.mark.parametrize(
    "announced",
    [
        pytest.param([("2026-01-01", "2027-07-02")], id="tomorrow"),
        pytest.param([("2026-07-02", "2027-07-01")], id="announced too late"),
        pytest.param([("2026-07-02", "2021-01-01")], id="over when it was announced"),
        pytest.param([("2020-02-29", "2021-02-28")], id="a day before the leap day's year"),
        pytest.param([("2025-01-01", "2027-01-01"), ("2026-01-01", "2027-08-01")], id="postponed"),
        pytest.param([("2025-01-01", "2027-08-01"), ("2025-02-01", "2027-01-01")], id="brought forward"),
        pytest.param([("2025-01-01", "2027-01-01"), ("2025-02-01", None)], id="taken back"),
        pytest.param(
            [("2025-01-01", "2027-01-01"), ("2025-02-01", None), ("2026-12-01", "2027-02-01")],
            id="taken back and announced anew",
        ),
    ],
)
def test_call_may_not_go_without_a_year_of_notice(announced: list[tuple[str, str | None]]) -> None:
    assert _judged(announced, {"paths": {}}) == ["GET /b: removed"]


def test_ended_call_may_not_become_another() -> None:
    announced: list[tuple[str, str | None]] = [("2026-07-01", "2027-07-01")]
    assert _judged(announced, _with("2027-07-01")) == []
    assert _judged(announced, _with("2027-07-01", "integer")) == ["GET /b 200: may now be integer"]


@pytest.mark.parametrize(
    ("announced", "sunset", "found"),
    [
        (None, "2028-07-01", []),
        (
            None,
            "2021-01-01",
            ["GET /b: sunset 2021-01-01 is announced less than a year ahead, on 2027-07-01"],
        ),
        ("2028-09-01", "2028-08-01", ["GET /b: sunset 2028-09-01 is now 2028-08-01"]),
        ("2028-09-01", "2028-10-01", []),
        ("2028-09-01", None, []),
    ],
)
def test_sunset_that_is_too_early_is_found_when_it_is_written(
    announced: str | None, sunset: str | None, found: list[str]
) -> None:
    assert _judged([("2027-01-01", announced)], _with(sunset)) == found


def test_change_without_an_entry_is_found_until_there_is_one(repository: Repository) -> None:
    add("/b")(repository.document)
    repository.write()
    assert repository.examine() == ([], True)
    repository.commit()
    assert repository.examine() == ([], True)
    repository.tell("Added /b.")
    assert repository.examine() == ([], False)
    repository.commit()
    assert repository.examine() == ([], False)


def test_better_description_needs_no_entry(repository: Repository) -> None:
    repository.document["paths"]["/a"]["get"] |= {"description": "Better.", "summary": "Better."}
    repository.write()
    assert repository.examine() == ([], False)


def test_shallow_clone_is_told_what_is_missing(repository: Repository, tmp_path: Path) -> None:
    repository.change(add("/b"), "Added /b.")
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", f"file://{repository.root}", tmp_path / "s"], check=True
    )
    with pytest.raises(NoHistory, match="git fetch --unshallow"):
        examine(tmp_path / "s", TODAY)


def test_folder_without_history_is_told(repository: Repository, tmp_path: Path) -> None:
    (repository.root / ".git").rename(tmp_path / "gone")
    with pytest.raises(NoHistory, match="not a git repository"):
        repository.examine()


def test_promise_that_never_began_is_told(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "early", "HEAD~1")
    (repository.root / "docs").mkdir(exist_ok=True)
    (repository.root / CHANGELOG).write_text("- Begun.\n")
    with pytest.raises(NoHistory, match="was never committed"):
        repository.examine()


def test_command_ends_with_what_it_found(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (main(repository.root), capsys.readouterr().out) == (0, "")
    before = deepcopy(repository.document)
    add("/b")(repository.document)
    repository.write()
    assert main(repository.root) == 1
    assert capsys.readouterr().out == f"{DOCUMENT} changed: tell it in {CHANGELOG}\n"
    repository.document = before
    before["paths"]["/a"]["get"]["responses"] = {"202": {}}
    repository.write()
    repository.tell("Changed.")
    assert main(repository.root) == 1
    assert capsys.readouterr().out == "BREAKS  GET /a 200: removed\nnote  GET /a 202: a new success\n"
    assert main(_bare(tmp_path)) == 2
    assert "spec-check: git rev-parse" in capsys.readouterr().err


def _bare(folder: Path) -> Path:
    (folder / "docs").mkdir()
    (folder / CHANGELOG).write_text("")
    (folder / DOCUMENT).write_text('{"paths": {}}')
    return folder
