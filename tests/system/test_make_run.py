"""`make run` and `make smoke` in a fresh copy of the project, as a newcomer has it."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.processes import PATIENCE, ROOT, eventually, having, running, wait_until_ready
from tests.servers import free_port

COPIED = (
    "Makefile",
    "app",
    "config.py",
    "deploy",
    "gunicorn.conf.py",
    "migrations",
    "settings",
    "wsgi.py",
    "requirements.txt",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's files without .env and data; the installed packages are this environment's own."""
    target = tmp_path / "clone"
    target.mkdir()
    for name in COPIED:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, target / name)
    environment = target / ".venv"
    environment.mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (environment / part).symlink_to(Path(sys.prefix) / part)
    (environment / "runtime").touch()
    return target


@pytest.fixture
def variables(folder: Path) -> dict[str, str]:
    """A newcomer sets nothing; DATA_DIR is what it is anyway, and finds the processes of this test again."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME")}
    return {**kept, "DATA_DIR": str(folder / "var"), "PORT": str(free_port())}


def test_the_main_job_is_done_and_term_ends_all(folder, variables):
    """`make run` as it is, what `make smoke` proves against any deployment, and TERM to `make` itself."""
    base = f"http://127.0.0.1:{variables['PORT']}"
    log = folder / "log"
    with running(["make", "run"], variables, folder, log) as make:
        wait_until_ready(make, base, log)
        smoke = subprocess.run(
            ["make", "smoke", f"BASE={base}"],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert smoke.returncode == 0, smoke.stdout
        assert smoke.stdout.count("ok    ") == 10
        make.terminate()
        make.wait(PATIENCE)
        eventually(lambda: not having("DATA_DIR", variables["DATA_DIR"]))


def test_smoke_fails_where_nobody_answers(folder, variables):
    base = f"BASE=http://127.0.0.1:{free_port()}"
    smoke = subprocess.run(
        ["make", "smoke", base], cwd=folder, env=variables, capture_output=True, check=False
    )
    assert smoke.returncode != 0
    assert b"FAIL" in smoke.stdout


@pytest.mark.asvs("13.3.2")
def test_fresh_secrets_are_written_for_the_owner_alone(folder, variables):
    subprocess.run(["make", ".env"], cwd=folder, env=variables, check=True, capture_output=True)
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    values = dict(line.split("=") for line in (folder / ".env").read_text().splitlines())
    assert values.pop("FLASK_CONFIG") == "development"
    assert values.keys() == {"SECRET_KEY", "JWT_SECRET", "POSTGRES_PASSWORD"}
    assert len(set(values.values())) == 3
    assert all(len(value) == 64 for value in values.values())


def test_secrets_are_never_overwritten(folder, variables):
    (folder / ".env").write_text("SECRET_KEY=mine\n")
    subprocess.run(["make", ".env"], cwd=folder, env=variables, check=True, capture_output=True)
    assert (folder / ".env").read_text() == "SECRET_KEY=mine\n"


def test_an_old_python_is_refused_with_a_word(folder, tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    command = ["make", "run", f"PYTHON={old}", f"VENV={tmp_path}/none"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "Python 3.11 or later" in result.stderr
    assert "Python 3.9.2" in result.stderr


def test_help_lists_every_target_that_people_call(folder):
    text = subprocess.run(["make"], cwd=folder, capture_output=True, text=True, check=True).stdout
    listed = {line.split()[1] for line in text.splitlines()}
    wanted = {
        "run",
        "test",
        "e2e",
        "lint",
        "types",
        "ledger",
        "smoke",
        "lock",
        "spec",
        "migrations-check",
        "clean",
    }
    assert wanted <= listed
