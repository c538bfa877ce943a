"""The README's tour, run line by line against a running Slugline: what it prints is what the README shows."""

import re
import subprocess
from pathlib import Path

from tests.e2e.processes import ROOT
from tests.service import serving

README = ROOT / "README.md"
BASE = "http://127.0.0.1:8000"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "---end of block---"
# What differs from run to run.
_VOLATILE = (
    (re.compile(r"\b(usr|req|ses)_\w{22}"), r"\1_…"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<time>"),
    (re.compile(r"^Date: .*$", re.MULTILINE), "Date: <time>"),
)


def blocks() -> list[tuple[str, str]]:
    """(language, text) of each block of the tour."""
    tour = README.read_text().partition("## A five-minute tour")[2].partition("\n## ")[0]
    return [(match[1], match[2]) for match in _BLOCK.finditer(tour)]


def settled(text: str) -> str:
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def run_tour(base: str) -> list[str]:
    """What each shell block prints, in one shell."""
    script = "\n".join(f"{text}\necho {_MARK}" for language, text in blocks() if language == "sh")
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script.replace(BASE, base)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    host = base.removeprefix("http://")
    return done.stdout.replace(host, BASE.removeprefix("http://")).split(f"{_MARK}\n")[:-1]


def test_tour_prints_what_the_readme_shows(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        printed = run_tour(service.base)
    shown: list[str] = []
    for language, text in blocks():
        if language == "sh":
            shown.append("")
        else:
            shown[-1] = text
    assert len(shown) >= 7
    for got, expected in zip(printed, shown, strict=True):
        assert settled(got) == settled(expected)
