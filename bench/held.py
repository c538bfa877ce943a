"""How long redirects take while somebody else holds a write transaction, and with no worker: ``python -m bench.held``

Afterwards the worker must count each of them.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench import table
from bench.measuring import HEADER, percentile, row, timed
from tests.e2e.processes import eventually
from tests.service import Service, new_database, serving, writing_elsewhere


def follow(service: Service, code: str, seconds: float) -> list[float]:
    """Follow the link on one connection for so long; return the seconds of each redirect."""
    connection = service.connect()

    def once() -> None:
        assert service.visit(code, connection=connection).status == 302

    end = time.monotonic() + seconds
    taken: list[float] = []
    while time.monotonic() < end:
        taken += timed(once, 1)
    connection.close()
    return taken


def measure(database: str, seconds: float) -> list[str]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="held-")))
        url = stack.enter_context(new_database(database, folder))
        service = stack.enter_context(serving(url, folder))
        token = service.sign_up()
        code = service.link(token)
        plain = follow(service, code, 2)
        with writing_elsewhere(url):
            held = follow(service, code, seconds)
        service.worker.stop()
        alone = follow(service, code, 2)
        service.restart_worker()
        all_of_them = len(plain) + len(held) + len(alone)
        eventually(lambda: service.clicks(token, code) == all_of_them, 60)
    for what, taken in ((f"while a write is held for {seconds:.0f} s", held), ("without a worker", alone)):
        table.tell(
            table.compared(f"redirect, {database}, {what}", taken, percentile(plain, 0.99), "p99 otherwise")
        )
    return [
        row("redirect", plain),
        row(f"while a write is held for {seconds:.0f} s", held),
        row("without a worker", alone),
        f"  all {all_of_them:,} counted afterwards",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.held", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    for database in ("sqlite", "postgresql"):
        lines = [database, HEADER, *measure(database, options.seconds)]
        sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
