"""What docker-compose.yml starts, outside Docker: each container's command with its variables, ours with the files
that the image gets and no others.

What the images bring along is not to be had without Docker: the entrypoints of PostgreSQL's, which makes the
database, and of Nginx's, which runs envsubst; and of the health checks `valkey-cli` and BusyBox's `nc`, in whose
stead a client asks the same, and `proxy` connects to the port.
"""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
import yaml
from sqlalchemy import make_url

from tests.conftest import PASSWORD, SECRETS, new_postgres_database
from tests.e2e.processes import PATIENCE, ROOT, children, eventually, running
from tests.e2e.traffic import LINGER
from tests.servers import free_port, postgresql_programs, valkey
from tests.system.proxy import Proxy, rendered, shared_folder, started
from tests.system.wire import API, assert_one_shape, get, post

DATA, RUN, TMP, TLS = "/var/lib/slugline", "/run/slugline", "/tmp", "/etc/nginx/tls"  # mounted
ADDRESS = "0.0.0.0:8000"


class Image(NamedTuple):
    """What the Dockerfile's last stage says."""

    variables: dict[str, str]
    copied: list[tuple[list[str], str]]
    command: list[str]
    healthcheck: list[str]


class Container(NamedTuple):
    command: list[str]
    variables: dict[str, str]


class Web:
    """The web container: where it is reached, and its process of the moment."""

    def __init__(self, container: Container, folder: Path, log: Path, socket: Path) -> None:
        self._container = container
        self._folder = folder
        self._log = log
        self.socket = socket
        self.address = container.variables["WEB_BIND"].partition(",")[0]
        self.base = f"http://{self.address}"

    def start(self) -> None:
        command, variables = self._container
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=self._folder, env=variables, stdout=output, stderr=output
            )
        eventually(lambda: fetch(self.base, "/healthz")[0] == 200)

    def end(self, number: signal.Signals) -> None:
        """Ask the first process to end, or kill all as the kernel does then."""
        pid = self.process.pid
        for one in (pid, *children(pid)) if number == signal.SIGKILL else (pid,):
            os.kill(one, number)
        self.process.wait(PATIENCE)


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
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


@pytest.fixture(scope="module")
def run() -> Iterator[Path]:
    """The volume that web and Nginx share."""
    with shared_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def redis_url(services: dict[str, Any]) -> Iterator[str]:
    """The redis container."""
    program, *arguments = services["redis"]["command"]
    assert program == "valkey-server"
    with valkey(*arguments) as url:
        yield url


@pytest.fixture(scope="module")
def containers(
    *,
    image: Image,
    services: dict[str, Any],
    postgres_server: str,
    redis_url: str,
    run: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Container]:
    """Our services; only what names another machine, a volume or the port is replaced."""
    here = {DATA: str(tmp_path_factory.mktemp("volume")), RUN: str(run), ADDRESS: f"127.0.0.1:{free_port()}"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"DATABASE_URL": new_postgres_database(postgres_server), "REDIS_URL": redis_url, "PATH": path}
    found = {}
    for name in ("migrate", "web", "worker"):
        said = {**image.variables, **services[name]["environment"]}
        variables = {key: interpolated(value, here) for key, value in said.items()}
        found[name] = Container(services[name].get("command", image.command), variables | own)
    return found


def interpolated(value: str, here: dict[str, str]) -> str:
    """`value` with `.env` applied as Compose would: here it holds the secrets alone. Then with what is `here`."""
    given = {**SECRETS, "POSTGRES_PASSWORD": "unused"}
    value = re.sub(
        r"\$\{(\w+)(?::([-?])([^}]*))?\}",
        lambda part: given.get(part[1]) or (part[3] if part[2] == "-" else given[part[1]]),
        value,
    )
    for there, replaced in here.items():
        value = value.replace(there, replaced)
    return value


@pytest.fixture(scope="module")
def web(
    containers: dict[str, Container], folder: Path, run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    """The web container, once the migrations ran and web and worker are started."""
    migrate = containers["migrate"]
    subprocess.run(migrate.command, cwd=folder, env=migrate.variables, check=True, timeout=PATIENCE)
    logs = tmp_path_factory.mktemp("logs")
    web = Web(containers["web"], folder, logs / "web", run / "web.sock")
    with running(*containers["worker"], folder, logs / "worker"):
        web.start()
        yield web
        web.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def proxy(
    services: dict[str, Any], web: Web, tls: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """The nginx container."""
    folder = tmp_path_factory.mktemp("nginx")
    found = Proxy(free_port(), free_port(), tls / "fullchain.pem", folder / "log")
    here = {TMP: str(folder), TLS: str(tls), RUN: str(web.socket.parent)}
    own = {"HTTP_LISTEN": f"127.0.0.1:{found.http}", "HTTPS_LISTEN": f"127.0.0.1:{found.https}"}
    said = services["nginx"]
    variables = {name: interpolated(value, here) for name, value in said["environment"].items()} | own
    (Path(variables["NGINX_ENVSUBST_OUTPUT_DIR"]) / "nginx.conf").write_text(rendered(variables))
    with started([interpolated(word, here) for word in said["command"]], found):
        yield found


def fetch(base: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """One request; 0 as its status where nobody listens, or who did was killed."""
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): headers[name] for name in headers}}
    request = urllib.request.Request(base + path, data, sent)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except (urllib.error.URLError, ConnectionResetError):
        return 0, None


def test_everything_is_ready(web):
    status, body = fetch(web.base, "/readyz")
    assert (status, body["status"], body["warnings"]) == (200, "ready", [])


def test_the_api_behind_the_proxy_answers(proxy):
    account = {"email": "ann@example.org", "password": PASSWORD}
    assert post(proxy, f"{API}/auth/register", account).status == 201


def test_the_api_without_tls_is_refused(web):
    status, body = fetch(web.base, "/api/v1/users/me", X_Forwarded_Proto="http")
    assert (status, body["error"]["code"]) == (403, "HTTPS_REQUIRED")


def test_any_user_may_connect_to_the_socket(web):
    """Nginx's processes are of another user than web's; the folder decides who comes so far."""
    assert stat.filemode(web.socket.stat().st_mode) == "srwxrwxrwx"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_web_may_end_and_come_again_while_nginx_runs(web, proxy, number):
    web.end(number)
    assert web.socket.exists() == (number == signal.SIGKILL)  # killed, it leaves its socket behind
    assert_one_shape(get(proxy, f"{API}/users/me"), 502, "BAD_GATEWAY")
    web.start()
    assert get(proxy, "/healthz").status == 200


def test_a_reload_loses_no_request_by_either_way(web, proxy):
    """But for one that this machine kept on the way for so long that its connection ended (tests/e2e/traffic.py)."""
    before, asked_at = set(children(web.process.pid)), [time.monotonic()]

    def is_reloaded() -> bool:
        status = get(proxy, "/healthz").status
        asked_at.append(time.monotonic())
        assert status == 200 or asked_at[-1] - asked_at[-2] > LINGER / 2
        assert fetch(web.base, "/healthz")[0] == 200
        return not before & set(children(web.process.pid))

    os.kill(web.process.pid, signal.SIGHUP)
    eventually(is_reloaded)


def test_the_health_check_of_web_passes(web, image):
    assert health(image, web.address) == 0


def test_the_health_check_of_web_fails_without_a_web_process(image):
    assert health(image, f"127.0.0.1:{free_port()}") != 0


def test_the_health_check_of_postgres_passes_where_it_runs(services, postgres_server, tmp_path):
    _, program, *arguments = services["postgres"]["healthcheck"]["test"]
    folder = make_url(postgres_server).query["host"]
    for host, expected in ((folder, True), (tmp_path, False)):
        here = [word.replace("127.0.0.1", str(host)) for word in arguments]
        status = subprocess.run([postgresql_programs() / program, *here], check=False).returncode
        assert (status == 0) == expected


def test_what_the_health_check_of_redis_asks_is_answered(services, redis_url):
    _, program, *question = services["redis"]["healthcheck"]["test"]
    assert program == "valkey-cli"
    with redis.Redis.from_url(redis_url) as connection:
        assert connection.execute_command(*question) is True


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
