"""Dockerfile: what the image runs as and what may get into it. `tests/system` runs its commands."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, continuation lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    found: list[list[tuple[str, str]]] = []
    for name, rest in lines:
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def last(stage: list[tuple[str, str]], name: str) -> str:
    return [rest for instruction, rest in stage if instruction == name][-1]


def test_only_locked_packages_get_in(stages):
    installs = [rest for stage in stages for name, rest in stage if name == "RUN" and "pip install" in rest]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]


def test_the_final_stage_installs_nothing(stages):
    assert len(stages) == 2
    assert not any("install -r" in rest or "apt-get" in rest for name, rest in stages[-1] if name == "RUN")


@pytest.mark.asvs("13.2.2")
def test_it_runs_as_nobody_in_particular(stages):
    uid, gid = last(stages[-1], "USER").split(":")
    assert int(uid) >= 1000
    assert int(gid) >= 1000


def test_the_command_is_a_list(stages):
    """A shell in between would not pass TERM on to Gunicorn."""
    assert json.loads(last(stages[-1], "CMD"))[0] == "gunicorn"


def test_it_tells_its_health(stages):
    check = last(stages[-1], "HEALTHCHECK")
    assert "/healthz" in check
    assert json.loads(check.split("CMD ", 1)[1])[0] == "python"


def test_memory_of_pictures_goes_back_to_the_system(stages):
    assert "MALLOC_MMAP_THRESHOLD_=1048576" in last(stages[-1], "ENV")


@pytest.mark.asvs("13.3.1")
def test_no_secret_is_built_in(stages):
    names = [rest for stage in stages for name, rest in stage if name in ("ENV", "ARG")]
    assert not re.search(r"SECRET|PASSWORD|TOKEN", " ".join(names))


@pytest.mark.asvs("13.4.1", "15.2.3")
def test_the_build_context_is_a_short_list_of_what_is_wanted():
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    wanted = {rule[1:] for rule in rules if rule.startswith("!")}
    assert wanted == {
        "app",
        "migrations",
        "settings",
        "config.py",
        "wsgi.py",
        "gunicorn.conf.py",
        "requirements.txt",
    }


def test_all_that_is_copied_is_in_the_build_context(stages):
    wanted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copies = [rest.split() for stage in stages for name, rest in stage if name == "COPY"]
    sources = {source for words in copies for source in words[:-1] if not words[0].startswith("--from")}
    assert sources == wanted
