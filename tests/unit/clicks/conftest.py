"""Real child processes for the tests of what a process leaves behind."""

import os
import traceback
import warnings
from collections.abc import Callable, Iterator

import pytest

Forker = Callable[[Callable[[], object]], int]


def fork(action: Callable[[], object]) -> int:
    """Run `action` in a forked child, which exits with 0, or 1 if it raised; return the child's pid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns beside pytest-xdist's threads
        pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        action()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


@pytest.fixture
def forked() -> Iterator[Forker]:
    """Start children; those still there at the end of the test are killed."""
    pids: list[int] = []

    def start(action: Callable[[], object]) -> int:
        pids.append(fork(action))
        return pids[-1]

    yield start
    for pid in pids:
        try:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


@pytest.fixture
def in_child(forked: Forker) -> Callable[[Callable[[], object]], None]:
    """Run a function in a child to its end; fails when it raised."""

    def run(action: Callable[[], object]) -> None:
        _, status = os.waitpid(forked(action), 0)
        assert os.waitstatus_to_exitcode(status) == 0

    return run
