"""Nginx with the committed configuration, and a spy on what it says to Gunicorn."""

import re
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.e2e.processes import PATIENCE, ROOT
from tests.servers import free_port, wait_for_port

LISTED_ORIGINS = ("https://app.example.org", "https://other.example.org")


class Proxy(NamedTuple):
    """A running Nginx: its two ports, its certificate and its log."""

    http: int
    https: int
    certificate: Path
    log: Path

    def connect(self, source: str = "127.0.0.1") -> ssl.SSLSocket:
        """A TLS connection from the loopback address `source`."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        plain = socket.create_connection(("127.0.0.1", self.https), PATIENCE, (source, 0))
        return context.wrap_socket(plain, server_hostname="127.0.0.1")


def make_certificate(folder: Path) -> Path:
    """Let `make certificate` write a throw-away certificate below `folder`; return its directory."""
    command = ["make", "-f", str(ROOT / "Makefile"), "certificate"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "nginx" / "tls"


@contextmanager
def nginx(upstream: int | str, tls: Path, folder: Path, more: str = "", **replaced: str) -> Iterator[Proxy]:
    """Nginx in front of `upstream`: a loopback port, or ``unix:/run/web.sock``.

    `more` is added to the configuration; `replaced` shortens waits: ``proxy_read_timeout="1s"``.
    """
    proxy = Proxy(free_port(), free_port(), tls / "fullchain.pem", folder / "log")
    values = {
        "UPSTREAM": upstream if isinstance(upstream, str) else f"127.0.0.1:{upstream}",
        "HTTP_LISTEN": f"127.0.0.1:{proxy.http}",
        "HTTPS_LISTEN": f"127.0.0.1:{proxy.https}",
        "TLS_DIR": str(tls),
        "RUN_DIR": str(folder),
        "ACCESS_LOG": "/dev/stdout",
        "CORS_ORIGINS": ", ".join(LISTED_ORIGINS),
    }
    text = rendered(values)
    for directive, value in replaced.items():
        lines = [line for line in text.splitlines() if line.split()[:1] == [directive]]
        text = text.replace(lines[0], f"{directive} {value};")
    text = text.replace("http {\n", f"http {{\n{more}\n")
    configuration = folder / "nginx.conf"
    configuration.write_text(text)
    with started(["nginx", "-p", str(folder), "-c", str(configuration), "-g", "daemon off;"], proxy):
        yield proxy


def rendered(variables: Mapping[str, str]) -> str:
    """The committed configuration, as envsubst fills it in."""
    template = (ROOT / "nginx" / "nginx.conf.template").read_text()
    return re.sub(r"\$\{([A-Z_]+)\}", lambda name: variables[name[1]], template)


@contextmanager
def started(command: list[str], proxy: Proxy) -> Iterator[None]:
    """Nginx by this command, whose configuration has the ports of `proxy`."""
    with proxy.log.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for_port(proxy.https, process)
        yield
    except TimeoutError as error:
        error.add_note(proxy.log.read_text())
        raise
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder for sockets: Nginx's processes, which are not root's, may enter it, and a socket's path has 107 bytes
    at most."""
    with tempfile.TemporaryDirectory(prefix="run-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


class Spy:
    """A relay between Nginx and Gunicorn's unix socket that counts connections and keeps what Nginx sent."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.connections = 0
        self.sent = b""
        path = target.with_name("spy.sock")
        self.upstream = f"unix:{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o777)
        self._listener.listen()

    @contextmanager
    def relaying(self) -> Iterator["Spy"]:
        with ExitStack() as self._open, self._listener:
            threading.Thread(target=self._accept, daemon=True).start()
            yield self
            self._listener.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.enter_context(client)
                server = self._open.enter_context(socket.socket(socket.AF_UNIX))
                server.connect(str(self.target))
                self.connections += 1
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(
                        target=self._pump, args=(source, sink, source is client), daemon=True
                    ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, keep: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if keep:
                    self.sent += data
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
