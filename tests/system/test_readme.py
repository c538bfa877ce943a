"""The README's tour, run line by line against a running Slugline: what it prints is what the README shows."""

import subprocess
from pathlib import Path

from tests.e2e.processes import PATIENCE, ROOT
from tests.service import serving
from tests.system.pages import BASE, blocks, settled

README = ROOT / "README.md"
_MARK = "---end of block---"
# For the reader two seconds; here for as long as this machine takes.
_PAUSE = "sleep 2\n"
_COUNTED = (
    """until curl -s $B/api/v1/links/spring/stats -H "$A" | grep -q '"clicks":1'; do sleep 0.1; done\n"""
)


def tour() -> list[tuple[str, str]]:
    """(language, text) of each block of the tour."""
    return blocks(README.read_text().partition("## A five-minute tour")[2].partition("\n## ")[0])


def run_tour(base: str) -> list[str]:
    """What each shell block prints, in one shell."""
    script = "\n".join(f"{text}\necho {_MARK}" for language, text in tour() if language == "sh")
    assert _PAUSE in script
    script = script.replace(_PAUSE, _COUNTED)
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script.replace(BASE, base)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    host = base.removeprefix("http://")
    return done.stdout.replace(host, BASE.removeprefix("http://")).split(f"{_MARK}\n")[:-1]


def test_tour_prints_what_the_readme_shows(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as service:
        printed = run_tour(service.base)
    shown: list[str] = []
    for language, text in tour():
        if language == "sh":
            shown.append("")
        else:
            shown[-1] = text
    assert len(shown) >= 7
    for got, expected in zip(printed, shown, strict=True):
        assert settled(got) == settled(expected)
