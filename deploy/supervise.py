"""Run web and worker side by side on one machine, without a service manager: what `make run` starts.

- Either starts again at once when it dies; all that a dead one left running is killed first.
- The listening socket is opened here and inherited by Gunicorn (``--bind fd://``): while the web process starts
  again, visitors wait in the backlog instead of being refused.
- INT and TERM stop both, gracefully; a second one, or `GRACE` seconds, kills. Where Linux can (PR_SET_PDEATHSIG),
  both stop too when this process, or the `make` above it, is killed with no chance to say so.
- A program that refuses its settings at its first start ends everything, so that the reason is the last thing read.

Why not the PyPI `supervisor`: see docs/adr/0002-a-supervisor-of-our-own.md.
"""

import ctypes
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
GRACE = 35  # seconds to finish what is under way; more than Gunicorn's graceful_timeout
LEAST_LIFE = 0.5  # seconds between two starts of one program, lest a crash loop takes the whole core
READY_WITHIN = 60.0  # seconds that the greeting waits for /readyz
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def settings() -> dict[str, str]:
    """The environment over `.env`, as the application reads them too."""
    written = {name: value for name, value in dotenv_values(ROOT / ".env").items() if value is not None}
    if "PORT" in os.environ:
        written.pop("WEB_BIND", None)  # what was said on the command line wins over the file
    return {**written, **os.environ}


def address(values: dict[str, str]) -> tuple[str, int]:
    """Where to listen, from WEB_BIND or PORT: one address, which the greeting names.

    Exits, naming the variable, where that makes no sense.
    """
    bind = values.get("WEB_BIND") or f"127.0.0.1:{values.get('PORT') or 8000}"
    host, _, port = bind.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536 or not host or "," in host:
        sys.exit(f"WEB_BIND or PORT: {bind!r} is not one host:port, such as 127.0.0.1:8000")
    return host.strip("[]"), int(port)


def listen(host: str, port: int) -> socket.socket:
    """The socket that every start of Gunicorn inherits."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        sys.exit(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another port: make run PORT=8001")
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener


def public_url(host: str, port: int) -> str:
    """What a browser on this machine calls the address that we listen on."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def end_with_parent() -> None:
    """Ask Linux for a TERM when the parent dies; elsewhere a kill -9 of the parent leaves the children."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def kill_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


class Program:
    """One command and the process that runs it now, leader of a process group of its own."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.command = command
        self.starts = 0
        self.pid = 0
        self.started = 0.0

    def start(self) -> None:
        """Fork. The caller holds `SIGNALS` back, so that no handler of ours runs in the child."""
        self.starts += 1
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            self._become()
        with suppress(PermissionError):  # the child was quicker, and has become the program already
            os.setpgid(self.pid, self.pid)

    def _become(self) -> NoReturn:
        """In the child. A group of its own: Ctrl-C reaches the parent alone, which then ends us in good order."""
        try:
            os.setpgid(0, 0)
            end_with_parent()
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            os.execv(self.command[0], self.command)
        finally:
            os._exit(127)


class Supervisor:
    """Keeps programs running until INT or TERM. `run` returns the exit status: 1 when one refused to start."""

    def __init__(self, programs: list[Program], greeter: Program) -> None:
        self.programs = programs
        self.running: dict[int, Program] = {}
        self.greeter = greeter
        self.stopping = False
        self.status = 0

    def run(self) -> int:
        for number in SIGNALS:
            signal.signal(number, self._stop)
        for program in [*self.programs, self.greeter]:
            self._start(program)
        while self.running:
            pid, status = os.waitpid(-1, 0)
            if pid in self.running:
                self._ended(self.running.pop(pid), status)
        return self.status

    def _start(self, program: Program) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if not self.stopping:
            program.start()
            self.running[program.pid] = program
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _ended(self, program: Program, status: int) -> None:
        kill_group(program.pid, signal.SIGKILL)
        if program is self.greeter or self.stopping:
            return
        code = os.waitstatus_to_exitcode(status)
        if self._refuses(program, status):
            say(f"{program.name} does not start (exit status {code}); its last lines above say why.")
            self.status = 1
            self._stop(signal.SIGTERM, None)
            return
        say(f"{program.name} ended ({code}) and starts again.")
        time.sleep(max(0.0, program.started + LEAST_LIFE - time.monotonic()))
        self._start(program)

    def _refuses(self, program: Program, status: int) -> bool:
        """Whether it ended by itself, with an error, at its first start, while all was waiting to be ready."""
        failed = os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
        return failed and program.starts == 1 and self.greeter.pid in self.running

    def _stop(self, number: int, _: FrameType | None) -> None:
        """The first INT or TERM asks, a second one or the alarm insists."""
        how = signal.SIGKILL if self.stopping else signal.SIGTERM
        self.stopping = True
        signal.alarm(GRACE)
        for pid in list(self.running):
            kill_group(pid, how)


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def greet(base: str) -> None:
    """Wait for /readyz at `base`, then print what to do next."""
    answer = "no answer"
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{base}/readyz", timeout=5):
                say(NEXT_STEPS.format(base=base))
                return
        except urllib.error.HTTPError as error:
            answer = error.read().decode("utf-8", "replace")
        except OSError:
            pass
        time.sleep(0.1)
    say(f"Slugline is up but not ready: {answer}")


NEXT_STEPS = """
Slugline is ready.

  Try it in a browser   {base}/docs
  The first user        curl -s {base}/api/v1/auth/register -H 'Content-Type: application/json' \\
                             -d '{{"email": "you@example.org", "password": "a long sentence is best"}}'
  An administrator      .venv/bin/flask users create-admin
  Prove that it works   make smoke BASE={base}

Ctrl-C stops it.
"""


def main() -> int:
    if "MAKELEVEL" in os.environ:  # `make` cannot pass a kill -9 on to us
        end_with_parent()
    values = settings()
    host, port = address(values)
    base = public_url(host, port)
    if sys.argv[1:] == ["greet"]:
        greet(base)
        return 0
    os.chdir(ROOT)
    os.environ["WEB_BIND"] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    os.environ.setdefault("PUBLIC_URL", values.get("PUBLIC_URL", base))
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", "1048576")  # as in the Dockerfile
    listener = listen(host, port)
    python = sys.executable
    web = [
        python,
        "-m",
        "gunicorn",
        "-c",
        "gunicorn.conf.py",
        "--bind",
        f"fd://{listener.fileno()}",
        "wsgi:app",
    ]
    worker = [python, "-m", "flask", "worker"]
    programs = [Program("web", web), Program("worker", worker)]
    return Supervisor(programs, Program("greeting", [python, __file__, "greet"])).run()


if __name__ == "__main__":
    sys.exit(main())
