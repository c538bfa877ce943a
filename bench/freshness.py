"""How soon a process obeys a change that another one committed: ``python -m bench.freshness``

A web process serves a link from memory over one connection; this process changes the link's target in the database,
then follows it until the new target shows. On SQLite the next redirect must show it. On PostgreSQL once as it is,
and once with the notifications cut off.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from bench import table
from bench.measuring import HEADER, row
from tests.service import Service, new_database, serving

# Seconds within which a process obeys, and at which share of changes.
BOUNDS = {"sqlite": [(1.1, 0.99)], "postgresql": [(0.05, 0.5), (1.1, 0.99)]}


def obeyed_after(service: Service, engine: Engine, code: str, changes: int) -> list[float]:
    """Seconds from each of `changes` commits to the first redirect that shows it, that redirect included."""
    connection = service.connect()
    taken: list[float] = []
    for number in range(changes):
        for _ in range(5):
            service.visit(code, connection=connection)  # by now it is served from memory
        target = f"https://example.org/{number}"
        with engine.begin() as transaction:
            transaction.execute(
                text("UPDATE links SET url = :url WHERE code = :code"), {"url": target, "code": code}
            )
        began = time.perf_counter()
        while _target(service, code, connection) != target:
            pass
        taken.append(time.perf_counter() - began)
    connection.close()
    return taken


def _target(service: Service, code: str, connection: HTTPConnection) -> str:
    return service.visit(code, connection=connection).headers["location"]


def measure(database: str, changes: int) -> list[str]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="freshness-")))
        url = stack.enter_context(new_database(database, folder))
        service = stack.enter_context(serving(url, folder))
        engine = create_engine(url)
        stack.callback(engine.dispose)
        code = service.link(service.sign_up())
        told = {"a change is obeyed after": obeyed_after(service, engine, code, changes)}
        if database == "postgresql":
            with engine.begin() as connection:
                connection.execute(text("ALTER TABLE links DISABLE TRIGGER notify_of_link"))
            told["without notifications"] = obeyed_after(service, engine, code, changes // 10)
    for (what, seconds), (bound, share) in zip(told.items(), BOUNDS[database], strict=True):
        of = f"{bound} s, at p{100 * share:.0f}"
        table.tell(table.compared(f"freshness, {database}: {what}", seconds, bound, of, share))
    return [row(what, seconds) for what, seconds in told.items()]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.freshness", description=__doc__)
    parser.add_argument("--changes", type=int, default=300)
    options = parser.parse_args()
    for database in ("sqlite", "postgresql"):
        sys.stdout.write("\n".join((database, HEADER, *measure(database, options.changes))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
