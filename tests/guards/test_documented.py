"""What operators and contributors are told is true: settings, commands."""

import re
from pathlib import Path

import pytest

from config import load
from tests.unit.test_config import PRODUCTION, Asked

ROOT = Path(__file__).resolve().parents[2]
# Flask's own, not a setting of Slugline: it is read to be refused.
NOT_OURS = {"FLASK_DEBUG"}


# A family of settings stands in the table under this name of a provider.
PROVIDER = {
    "OIDC_PROVIDERS": "name",
    "OIDC_NAME_ISSUER": "https://accounts.example.org",
    "OIDC_NAME_CLIENT_ID": "slugline",
    "OIDC_NAME_CLIENT_SECRET": "any",
}


def settings() -> set[str]:
    asked = Asked({**PRODUCTION, **PROVIDER})
    load(asked)
    return asked.names - NOT_OURS


def rows() -> set[str]:
    """The settings of README.md's table."""
    return set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", sorted(settings()))
def test_setting_stands_in_the_readme(name: str) -> None:
    assert name in rows()


def test_readme_lists_no_setting_that_is_not_read() -> None:
    assert rows() - settings() == set()


def test_example_file_names_settings_alone() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {found[1] for line in lines if (found := re.match(r"#?\s?([A-Z][A-Z0-9_]+)=", line))}
    known = settings() | set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert {"SECRET_KEY", "JWT_SECRET"} <= named
    assert named - known == set()


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", *[str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md")]],
)
def test_commands_of_the_pages_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))
    text = (ROOT / page).read_text()
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z0-9-]*)", text, re.MULTILINE))
    assert named - targets == set()


def test_readme_shows_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert re.search(r"^make run\b", text, re.MULTILINE)
    assert re.search(r"^make test\b", text, re.MULTILINE)


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", *[str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")]],
)
def test_links_of_the_pages_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text())
    assert [target for target in targets if "://" not in target and not (folder / target).exists()] == []


def test_every_action_of_the_audit_log_is_explained() -> None:
    """Told in the code by where they stand, or by their form: `noun.participle`, with a noun that the page knows."""
    explained = set(re.findall(r"`(\w+\.\w+)`", (ROOT / "docs" / "api" / "audit.md").read_text()))
    nouns = "|".join({action.partition(".")[0] for action in explained})
    action = re.compile(rf'"((?:{nouns})\.[a-z_]*(?:ed|begun|made|over|reset))"')
    code = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    recorded = re.compile(r'\b(?:record|event)\(\s*"([^"]+)"')
    assert {*action.findall(code), *recorded.findall(code)} <= explained
