"""`make spec-check`: what is promised is read from the history of main."""

import json
import shutil
import subprocess
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.contract.promise import CHANGELOG, DOCUMENT, NoHistory, examine, main

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

    def git(self, *arguments: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(self.root), *who, *arguments], check=True, capture_output=True)

    def write(self) -> None:
        (self.root / DOCUMENT).write_text(json.dumps(self.document))

    def tell(self, entry: str) -> None:
        with (self.root / CHANGELOG).open("a") as file:
            file.write(f"- {entry}\n")

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "c")

    def change(self, edit: Edit, entry: str) -> None:
        edit(self.document)
        self.write()
        self.tell(entry)
        self.commit()

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


@pytest.mark.parametrize(("sunset", "found"), [("2027-07-01", []), ("2027-07-02", ["GET /b: removed"])])
def test_call_may_go_after_its_sunset(repository: Repository, sunset: str, found: list[str]) -> None:
    repository.change(add("/b"), "Added /b.")
    repository.change(add("/b", **{"deprecated": True, "x-sunset": sunset}), "Deprecated /b.")
    repository.change(remove("/b"), "Removed /b.")
    assert repository.examine()[0] == found


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
