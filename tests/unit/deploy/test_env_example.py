""".env.example shows only what is read: by the application (the README's table) or by docker compose."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def test_every_name_in_it_is_a_setting():
    shown = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    settings = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    compose = re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text())
    assert len(shown) > 20
    assert set(shown) <= {*settings, *compose}


@pytest.mark.asvs("13.3.1")
def test_it_holds_no_secret():
    text = (ROOT / ".env.example").read_text()
    assert not re.search(r"^#?\w*(SECRET|PASSWORD|TOKEN)\w*=.", text, re.MULTILINE)
