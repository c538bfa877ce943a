"""`make spec-check`: openapi.json against every version of it that main has had since docs/api-changelog.md began.

What was once on main is promised (docs/versioning.md). A finding that has to be, because the document was wrong, is
let pass when the changelog tells it in so many words. A call may go, but not change, after the sunset that was
announced for it: at least a year after the commit that announced it, and never brought forward.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.contract.growth import METHODS, compare
from tests.contract.shapes import Finding, Node, resolved

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = "openapi.json"
CHANGELOG = "docs/api-changelog.md"
Document = dict[str, Any]
Version = tuple[date, Document]  # when it was committed (UTC)
Call = tuple[str, str]  # path, method


class Sunset(NamedTuple):
    """`day` on which a call may end, and the day of the commit since which clients could know of one."""

    announced: date
    day: date

    @property
    def is_a_year_ahead(self) -> bool:
        since, day = self.announced, self.day
        return (since.year + 1, since.month, since.day) <= (day.year, day.month, day.day)


class NoHistory(Exception):
    """What was promised cannot be read; the message says what to do."""


def main(root: Path = ROOT) -> int:
    """Print what breaks the promise and what clients must be ready for; 1 if anything is wrong, 2 if unknown."""
    try:
        findings, forgotten = examine(root, datetime.now(UTC).date())
    except NoHistory as error:
        print(f"spec-check: {error}", file=sys.stderr)  # noqa: T201 - what the command is for
        return 2
    for finding in findings:
        print(f"{'BREAKS' if finding.breaks else 'note'}  {finding}")  # noqa: T201 - the same
    if forgotten:
        print(f"{DOCUMENT} changed: tell it in {CHANGELOG}")  # noqa: T201 - the same
    return int(forgotten or any(finding.breaks for finding in findings))


def examine(root: Path, today: date) -> tuple[list[Finding], bool]:
    """The findings on `root`'s document, and whether the changelog is behind it. Raises NoHistory."""
    current = json.loads((root / DOCUMENT).read_text())
    changelog = (root / CHANGELOG).read_text()
    findings = judge(versions(root), current, today)
    untold = sorted(finding for finding in findings if f"`{finding}`" not in changelog)
    return untold, _is_behind(root, current, changelog)


def judge(promised: list[Version], current: Document, today: date) -> set[Finding]:
    """What `current` breaks of what was promised. An ended call may be missing; while it is there, it is kept."""
    announced = _sunsets(promised)
    kept = {call for call, _ in _calls(current)}
    gone = {
        call
        for call, sunset in announced.items()
        if call not in kept and sunset.is_a_year_ahead and sunset.day <= today
    }
    findings = {finding for _, old in promised for finding in compare(_without(old, gone), current)}
    return findings | set(_hurried(current, announced, today))


def versions(root: Path) -> list[Version]:
    """Every document of main's history since the changelog began, the oldest first. Raises NoHistory."""
    if _git(root, "rev-parse", "--is-shallow-repository").strip() != "false":
        raise NoHistory("this clone is shallow; fetch the rest with: git fetch --unshallow")
    began = _log(root, "--diff-filter=A", "--", CHANGELOG)
    if not began:
        raise NoHistory(f"{CHANGELOG}, with which the promise begins, was never committed")
    since = began[-1].partition(" ")[0]
    later = _log(root, "--reverse", f"{since}..HEAD", "--", DOCUMENT)
    return [_version(root, *line.split()) for line in [began[-1], *later]]


def _log(root: Path, *arguments: str) -> list[str]:
    """Commits of main itself, not of the branches it merged: hash, and Unix time of committing."""
    return _git(root, "log", "--first-parent", "-m", "--format=%H %ct", *arguments).splitlines()


def _version(root: Path, commit: str, committed: str) -> Version:
    day = datetime.fromtimestamp(int(committed), UTC).date()
    return day, json.loads(_git(root, "show", f"{commit}:{DOCUMENT}"))


def _sunsets(promised: list[Version]) -> dict[Call, Sunset]:
    """What was announced of calls that will end: the latest day, since the first time unless taken back between."""
    found: dict[Call, Sunset] = {}
    for committed, document in promised:
        for call, operation in _calls(document):
            if "x-sunset" not in operation:
                found.pop(call, None)
                continue
            announced, day = found.get(call, Sunset(committed, date.min))
            found[call] = Sunset(announced, max(day, date.fromisoformat(operation["x-sunset"])))
    return found


def _hurried(current: Document, announced: dict[Call, Sunset], today: date) -> Iterator[Finding]:
    """The sunsets of `current` that clients do not learn of in time."""
    for (path, method), operation in _calls(current):
        if "x-sunset" in operation:
            where, day = f"{method.upper()} {path}", date.fromisoformat(operation["x-sunset"])
            since, until = announced.get((path, method), Sunset(today, date.min))
            if day < until:
                yield Finding(where, f"sunset {until} is now {day}")
            if not Sunset(since, day).is_a_year_ahead:
                yield Finding(where, f"sunset {day} is announced less than a year ahead, on {since}")


def _calls(document: Document) -> Iterator[tuple[Call, Node]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            operation = resolved(document, item).get(method)
            if operation is not None:
                yield (path, method), operation


def _without(document: Document, gone: set[Call]) -> Document:
    left = deepcopy(document)
    for path, method in gone:
        left["paths"].get(path, {}).pop(method, None)
    return left


def _is_behind(root: Path, current: Document, changelog: str) -> bool:
    """Whether the document says something else than when the changelog was last written to."""
    last = _log(root, "-1", "--", CHANGELOG)[0].partition(" ")[0]
    if _git(root, "show", f"{last}:{CHANGELOG}") != changelog:
        return False  # an entry is being written
    return _wordless(json.loads(_git(root, "show", f"{last}:{DOCUMENT}"))) != _wordless(current)


def _wordless(node: Any) -> Any:
    """`node` without what only explains: a better description is no change of the API."""
    if isinstance(node, list):
        return [_wordless(part) for part in node]
    if not isinstance(node, dict):
        return node
    return {
        name: _wordless(value)
        for name, value in node.items()
        if not (name in ("description", "summary") and isinstance(value, str))
        and name not in ("example", "examples")
    }


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoHistory(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
