"""`make spec-check`: openapi.json against every version of it that main has had since docs/api-changelog.md began.

What was once on main is promised (docs/versioning.md). A finding that has to be, because the document was wrong, is
let pass when the changelog tells it in so many words. A call may go after the sunset that was announced for it.
"""

import json
import subprocess
import sys
from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tests.contract.growth import METHODS, Finding, compare

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = "openapi.json"
CHANGELOG = "docs/api-changelog.md"
Document = dict[str, Any]


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
    promised = versions(root)
    ended = _ended([*promised, current], today)
    findings = {finding for old in promised for finding in compare(_without(old, ended), current)}
    return sorted(found for found in findings if str(found) not in changelog), _is_behind(
        root, current, changelog
    )


def versions(root: Path) -> list[Document]:
    """Every document of main's history since the changelog began, the oldest first. Raises NoHistory."""
    if _git(root, "rev-parse", "--is-shallow-repository").strip() != "false":
        raise NoHistory("this clone is shallow; fetch the rest with: git fetch --unshallow")
    began = _git(
        root, "log", "--first-parent", "-m", "--diff-filter=A", "--format=%H", "--", CHANGELOG
    ).split()
    if not began:
        raise NoHistory(f"{CHANGELOG}, with which the promise begins, was never committed")
    since = f"{began[-1]}..HEAD"
    later = _git(
        root, "log", "--first-parent", "-m", "--reverse", "--format=%H", since, "--", DOCUMENT
    ).split()
    blobs = dict.fromkeys(
        _git(root, "rev-parse", f"{commit}:{DOCUMENT}").strip() for commit in [began[-1], *later]
    )
    return [json.loads(_git(root, "cat-file", "blob", blob)) for blob in blobs]


def _ended(documents: list[Document], today: date) -> set[tuple[str, str]]:
    """The calls whose announced sunset has passed."""
    return {
        (path, method)
        for document in documents
        for path, item in document["paths"].items()
        for method in METHODS
        if date.fromisoformat(item.get(method, {}).get("x-sunset", "9999-12-31")) <= today
    }


def _without(document: Document, ended: set[tuple[str, str]]) -> Document:
    left = deepcopy(document)
    for path, method in ended:
        left["paths"].get(path, {}).pop(method, None)
    return left


def _is_behind(root: Path, current: Document, changelog: str) -> bool:
    """Whether the document says something else than when the changelog was last written to."""
    last = _git(root, "log", "-1", "--first-parent", "-m", "--format=%H", "--", CHANGELOG).strip()
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
