"""Real processes of a test: how they are started, found and waited for. Linux only (/proc)."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
# Seconds for what must come. A start takes three of a quick core's; CI's are slow, and shared with others.
PATIENCE = 90.0


@contextmanager
def running(
    command: list[str], variables: Mapping[str, str], folder: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in `folder` with its output in `log`; at the end nothing that knows its variables is left."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(variables), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pid in having("DATA_DIR", variables["DATA_DIR"]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def having(name: str, value: str) -> list[int]:
    """The processes, not ended yet, that have the environment variable."""
    wanted = f"{name}={value}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def child(parent: int, word: str) -> int | None:
    """The child of `parent` whose command line has `word`."""
    for pid in children(parent):
        with suppress(OSError):
            if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return None


def children(parent: int) -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []


def eventually(ask: Callable[[], T], seconds: float = PATIENCE) -> T:
    """The first true answer. Raises AssertionError when none comes in time; whoever was paused asks once more."""
    end = time.monotonic() + seconds
    over = False
    while not (answer := ask()):
        assert not over, f"no answer within {seconds} s"
        over = time.monotonic() >= end
        time.sleep(0.03)
    return answer


def wait_until_ready(process: subprocess.Popen[bytes], base: str, log: Path) -> None:
    """Wait until Slugline at `base` is. Raises AssertionError with the log when the process ended instead."""

    def is_ready() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{base}/readyz", timeout=PATIENCE):
            return True
        return process.poll() is not None

    eventually(is_ready)
    assert process.poll() is None, log.read_text()
