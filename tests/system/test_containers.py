"""What docker-compose.yml starts, outside Docker: each of our containers' commands, with the variables and only the
files that the image gets, on a real PostgreSQL and Valkey."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.conftest import SECRETS, new_postgres_database
from tests.e2e.processes import PATIENCE, ROOT, eventually, running
from tests.servers import free_port

DATA = "/var/lib/slugline"  # the image's volume


class Image(NamedTuple):
    """What the Dockerfile's last stage says."""

    variables: dict[str, str]
    copied: list[tuple[list[str], str]]
    command: list[str]
    healthcheck: list[str]


class Container(NamedTuple):
    command: list[str]
    variables: dict[str, str]


@pytest.fixture(scope="module")
def image() -> Image:
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    stage = [line.split(None, 1) for line in text.rpartition("\nFROM ")[2].splitlines() if line[:1].isupper()]
    said = {name: rest for name, rest in stage if name not in ("COPY", "RUN")}
    copies = [rest.split() for name, rest in stage if name == "COPY" and not rest.startswith("--from")]
    return Image(
        variables=dict(word.split("=", 1) for word in said["ENV"].split()),
        copied=[(words[:-1], words[-1]) for words in copies],
        command=json.loads(said["CMD"]),
        healthcheck=json.loads(said["HEALTHCHECK"].split("CMD ", 1)[1]),
    )


@pytest.fixture(scope="module")
def folder(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory that holds what the image's would."""
    target = tmp_path_factory.mktemp("image")
    for sources, destination in image.copied:
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target / destination)
            else:
                shutil.copy(ROOT / source, target / destination)
    return target


@pytest.fixture(scope="module")
def containers(
    image: Image, postgres_server: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Container]:
    """Our services; only what names another machine, the volume or the port is replaced."""
    data, port = tmp_path_factory.mktemp("volume"), free_port()
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    here = {"DATABASE_URL": new_postgres_database(postgres_server), "REDIS_URL": valkey_url}
    found = {}
    for name in ("migrate", "web", "worker"):
        said = {**image.variables, **services[name]["environment"]}
        variables = {key: interpolated(value).replace(DATA, str(data)) for key, value in said.items()}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        variables |= {**here, "PATH": path, "WEB_BIND": f"127.0.0.1:{port}"}
        found[name] = Container(services[name].get("command", image.command), variables)
    return found


def interpolated(value: str) -> str:
    """`value` with `.env` applied as Compose would: here it holds the secrets alone."""
    given = {**SECRETS, "POSTGRES_PASSWORD": "unused"}
    return re.sub(
        r"\$\{(\w+)(?::([-?])([^}]*))?\}",
        lambda part: given.get(part[1]) or (part[3] if part[2] == "-" else given[part[1]]),
        value,
    )


@pytest.fixture(scope="module")
def web(
    containers: dict[str, Container], folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the web container, once the migrations ran and web and worker are started."""
    migrate = containers["migrate"]
    subprocess.run(migrate.command, cwd=folder, env=migrate.variables, check=True, timeout=PATIENCE)
    logs = tmp_path_factory.mktemp("logs")
    base = f"http://{containers['web'].variables['WEB_BIND']}"
    with ExitStack() as stack:
        for name in ("web", "worker"):
            container = containers[name]
            stack.enter_context(running(container.command, container.variables, folder, logs / name))
        eventually(lambda: fetch(base, "/healthz")[0] == 200)
        yield base


def fetch(base: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """One request; 0 as its status where nobody listens."""
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): headers[name] for name in headers}}
    request = urllib.request.Request(base + path, data, sent)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except urllib.error.URLError:
        return 0, None


def test_everything_is_ready(web):
    status, body = fetch(web, "/readyz")
    assert (status, body["status"], body["warnings"]) == (200, "ready", [])


def test_the_api_behind_the_proxy_answers(web):
    account = {"email": "ann@example.org", "password": "correct horse battery"}
    status, _ = fetch(
        web, "/api/v1/auth/register", account, X_Forwarded_Proto="https", X_Forwarded_For="192.0.2.1"
    )
    assert status == 201


def test_the_api_without_tls_is_refused(web):
    status, body = fetch(web, "/api/v1/users/me", X_Forwarded_Proto="http")
    assert (status, body["error"]["code"]) == (403, "HTTPS_REQUIRED")


def test_the_health_check_passes(web, image, containers):
    assert health(image, containers["web"].variables["WEB_BIND"]) == 0


def test_the_health_check_fails_without_a_web_process(image):
    assert health(image, f"127.0.0.1:{free_port()}") != 0


def health(image: Image, bind: str) -> int:
    """The exit status of the image's health check, asking the address here, as patiently as a test does."""
    command = [
        word.replace("127.0.0.1:8000", bind).replace("timeout=3", f"timeout={PATIENCE}")
        for word in image.healthcheck
    ]
    assert command != image.healthcheck
    return subprocess.run([sys.executable, *command[1:]], check=False, capture_output=True).returncode


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET", "PUBLIC_URL"])
def test_a_container_without_a_secret_does_not_start_and_names_it(containers, folder, name):
    command, variables = containers["web"]
    variables = {key: value for key, value in variables.items() if key != name}
    result = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert result.returncode != 0
    assert name in result.stderr
