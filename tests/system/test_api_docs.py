"""docs/api: every example is run against a running Slugline, and prints what its page shows.

A page has sections; one with examples has them in curl, Python and JavaScript, and then what all three print.
JavaScript is run by Node.js, and once more in a browser.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.conftest import PASSWORD
from tests.e2e.processes import PATIENCE, ROOT, eventually
from tests.issuer import CLIENT_ID, CLIENT_SECRET, issuing
from tests.service import Service, serving
from tests.system.pages import BASE, blocks, settled

FOLDER = ROOT / "docs" / "api"
INDEX = FOLDER / "README.md"
SHOWN = "ada@example.org"
CODE = "spring-sale"  # the one that an example chooses; no two runs on one service may
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
REGISTERING = {"README.md", "sign-in.md", "openid.md"}  # pages on which one opens the account oneself
ADMINISTERING = {"moderation.md"}  # pages for admins
LANGUAGES = ("bash", "python", "javascript")
COMMANDS = {
    "bash": ["bash", "-eu", "-o", "pipefail", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
}
# In a browser an example is the body of an async function, and the environment a variable.
IN_BROWSER = """async environment => {
    const lines = [], process = {env: environment};
    const console = {log: (...parts) => lines.push(parts.join(" "))};
    %s
    return lines.join("\\n");
}"""


def sections(page: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """(heading, blocks) of each section of a page that has blocks."""
    parts = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    assert not blocks(parts[0]), f"{page.name}: a block outside of any section"
    named = [(part.partition("\n")[0], blocks(part)) for part in parts[1:]]
    return [(heading, found) for heading, found in named if found]


SECTIONS = {page.name: sections(page) for page in sorted(FOLDER.glob("*.md"))}
PAGES = {name: [(heading, dict(found)) for heading, found in parts] for name, parts in SECTIONS.items()}
RUNS = [
    (name, language)
    for name, found in PAGES.items()
    for language in LANGUAGES
    if any(language in texts for _, texts in found)
]


@contextmanager
def installation(template: Path, folder: Path, **changes: str) -> Iterator[Service]:
    """A running Slugline with the limits that users have, but for `changes`."""
    shutil.copy(template, folder / "slugline.db")
    own = {"RATELIMIT_ENABLED": "true", "LIMIT_ANONYMOUS": "none", "LIMIT_REGISTER": "none", **changes}
    with serving(f"sqlite:///{folder}/slugline.db", folder, **own) as running:
        yield running


@pytest.fixture(scope="module")
def service(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with issuing() as issuer:
        provider = {"ISSUER": issuer.url, "CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET}
        own = {f"OIDC_GOOGLE_{name}": value for name, value in provider.items()}
        folder = tmp_path_factory.mktemp("documented")
        with installation(sqlite_template, folder, OIDC_PROVIDERS="google", **own) as running:
            yield running


@pytest.fixture(scope="module")
def strict(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Where a client who makes links without waiting fails."""
    folder = tmp_path_factory.mktemp("strict")
    with installation(sqlite_template, folder, LIMIT_CREATE="1/second") as running:
        yield running


def make_admin(service: Service, email: str) -> None:
    """Past the command line, which takes a second."""
    with closing(sqlite3.connect(service.variables["DATABASE_URL"].removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE users SET role = 'admin' WHERE email = ?", (email,))
        connection.commit()


class Reader:
    """Somebody new who follows one page: runs its examples in order, in one language."""

    _numbers = count(1)

    def __init__(self, service: Service, page: str) -> None:
        number = next(self._numbers)
        self._service = service
        self._own = {
            BASE: service.base,
            SHOWN: f"reader{number}@example.org",
            CODE: f"{CODE}-{number}",
        }
        self.environment = {"BASE": service.base, "EMAIL": self._own[SHOWN], "PASSWORD": PASSWORD}
        if page not in REGISTERING:
            self.environment["TOKEN"] = service.sign_up(self._own[SHOWN])
        if page in ADMINISTERING:
            make_admin(service, self._own[SHOWN])
        if any("CODE" in text for _, texts in PAGES[page] for text in texts.values()):
            self.environment["CODE"] = self._visited()

    def _visited(self) -> str:
        """The code of a link that two people and a bot have followed."""
        code = self._service.link(self.environment["TOKEN"])
        for agent in (FIREFOX, FIREFOX, "curl/8.0"):
            self._service.call("GET", f"/s/{code}", headers={"User-Agent": agent})
        eventually(lambda: self._service.clicks(self.environment["TOKEN"], code) == 3)
        return code

    def follow(self, page: str, language: str, run: Callable[[str], str]) -> None:
        """Run each example of the page by `run`, and hold what it prints to what is shown."""
        for heading, texts in PAGES[page]:
            if language in texts:
                printed = self._theirs(run(self._mine(texts[language])))
                assert settled(printed) == settled(texts["text"]), heading

    def _mine(self, text: str) -> str:
        for shown, own in self._own.items():
            text = text.replace(shown, own)
        return text

    def _theirs(self, text: str) -> str:
        for shown, own in self._own.items():
            text = text.replace(own, shown)
        return text


@pytest.mark.parametrize(("name", "language"), RUNS)
def test_examples_print_what_their_page_shows(
    name: str, language: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    fixture = "strict" if name == "rate-limits.md" else "service"
    reader = Reader(request.getfixturevalue(fixture), name)

    def run(text: str) -> str:
        done = subprocess.run(
            [*COMMANDS[language], text],
            env={"PATH": os.environ["PATH"], **reader.environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    reader.follow(name, language, run)


def test_examples_run_in_a_browser_too(service: Service, page: Page) -> None:
    page.goto(f"{service.base}/docs")
    for name in [name for name, language in RUNS if language == "javascript"]:
        environment = (reader := Reader(service, name)).environment
        reader.follow(name, "javascript", lambda text, own=environment: page.evaluate(IN_BROWSER % text, own))


@pytest.mark.parametrize("name", PAGES)
def test_each_example_comes_in_each_language_and_shows_what_it_prints(name: str) -> None:
    """So that no block goes unchecked: what is run, and what is held against it."""
    expected = ["bash", "text"] if name == INDEX.name else [*LANGUAGES, "text"]
    assert SECTIONS[name]
    for heading, found in SECTIONS[name]:
        assert [language for language, _ in found] == expected, heading


def test_each_page_stands_in_the_index_once() -> None:
    listed = re.findall(r"^\| \[[^]]+\]\(([\w-]+\.md)\) \|", INDEX.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(set(PAGES) - {INDEX.name})
