"""The ledger: is each click that was answered counted, and once, whatever is killed? ``python -m tests.ledger``

Each visit carries an id of its own in the query. An id is answered once its 302 was read whole. When all is over
the ids that were stored are read from `clicks.query`; as sets, answered is contained in stored, and none stands
twice. Prints a table; exit status 1 on any loss or double.
"""

import argparse
import os
import random
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.e2e.gunicorns import answered_by_the_poller
from tests.e2e.processes import PATIENCE, eventually
from tests.service import BROWSER, Service, new_database, serving

VISITORS = 16  # threads
TARGETS = ("web process", "web master", "worker")


@dataclass
class Result:
    """What was sent, answered and stored, by id of visit."""

    sent: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    refused: list[bytes] = field(default_factory=list)
    """The status lines of answers other than a 302."""
    kills: Counter[str] = field(default_factory=Counter)
    stored: list[str] = field(default_factory=list)
    counted: int = 0
    """The sum of `click_counts`."""
    by_hot_worker: int = 0
    """How many redirects its poller thread sent, as far as its count was heard before a kill: at least so many."""
    heard: int = 0
    """Its count when it was heard last; 0 again with a new web master, which counts anew."""
    seconds: float = 0.0

    @property
    def lost(self) -> set[str]:
        return self.answered - set(self.stored)

    @property
    def doubled(self) -> set[str]:
        return {visit for visit, times in Counter(self.stored).items() if times > 1}

    @property
    def invented(self) -> set[str]:
        return set(self.stored) - self.sent

    @property
    def balanced(self) -> bool:
        """Nothing lost, nothing twice, nothing from nowhere, and the roll-ups say the same as the rows."""
        return not (self.lost or self.doubled or self.invented) and self.counted == len(self.stored)

    def hear(self, count: int) -> None:
        """Add what the hot worker's count grew by."""
        self.by_hot_worker += count - self.heard
        self.heard = count

    def table(self) -> Iterator[tuple[str, str]]:
        yield "visits sent", f"{len(self.sent):,}"
        yield "answered with a 302", f"{len(self.answered):,}"
        yield "of them by the hot worker", f"{self.by_hot_worker:,}"
        yield "cut off by a kill", f"{len(self.sent) - len(self.answered) - len(self.refused):,}"
        yield "refused", f"{len(self.refused):,}"
        for target in TARGETS:
            yield f"kill -9 of a {target}", f"{self.kills[target]:,}"
        yield "rows stored", f"{len(self.stored):,}"
        yield "clicks in the roll-ups", f"{self.counted:,}"
        yield "answered but lost", f"{len(self.lost):,}"
        yield "stored twice", f"{len(self.doubled):,}"
        yield "stored but never sent", f"{len(self.invented):,}"
        yield "seconds", f"{self.seconds:.0f}"


class Visitors:
    """Threads that follow one link, each on a keep-alive connection and anew with each answer, until told to stop.

    Together they ask for what one process of Python can, 2,000 to 7,000 redirects a second. That is several in a
    round of the hot worker's poller, but not all it could answer (docs/performance.md).
    """

    def __init__(self, port: int, code: str, result: Result) -> None:
        self._port = port
        self._code = code
        self._result = result
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit_on) for _ in range(VISITORS)]

    def __enter__(self) -> "Visitors":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _visit_on(self) -> None:
        while not self._stop.is_set():
            # A kill resets the connection; the next one waits in the backlog until somebody accepts it.
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", self._port), PATIENCE) as connection,
            ):
                while not self._stop.is_set() and self._visit(connection):
                    pass

    def _visit(self, connection: socket.socket) -> bool:
        """One visit; False when the connection is of no more use."""
        visit = secrets.token_hex(8)
        self._result.sent.add(visit)
        request = (
            f"GET /s/{self._code}?visit={visit} HTTP/1.1\r\nHost: sho.rt\r\nUser-Agent: {BROWSER}\r\n\r\n"
        )
        try:
            connection.sendall(request.encode())
            head = _head(connection)
        except OSError:
            head = b""
        if not head:
            return False
        # A 302 has no body: whoever has the empty line has all of it.
        if head.startswith(b"HTTP/1.1 302 ") and b"\r\nContent-Length: 0\r\n" in head:
            self._result.answered.add(visit)
            return b"\r\nConnection: close\r\n" not in head
        self._result.refused.append(head.partition(b"\r\n")[0])
        return False


def _head(connection: socket.socket) -> bytes:
    """All up to the empty line; nothing when the peer went before it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        received = connection.recv(4096)
        if not received:
            return b""
        head += received
    return head


class Killer:
    """kill -9 of what is at work, and its next start."""

    def __init__(self, service: Service, chance: random.Random, result: Result) -> None:
        self._service = service
        self._chance = chance
        self._result = result

    def kill(self, target: str) -> None:
        self._result.hear(answered_by_the_poller(self._service))
        {"web process": self._web_process, "web master": self._web_master, "worker": self._worker}[target]()
        self._result.kills[target] += 1

    def _web_process(self) -> None:
        """One that answers visitors just now; its master starts another."""
        os.kill(self._chance.choice(eventually(self._busy)), signal.SIGKILL)

    def _web_master(self) -> None:
        """And all it had, as a supervisor or a container's end does it."""
        eventually(self._busy)
        children = self._service.web_processes()
        self._service.web.kill()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._result.heard = 0
        self._service.web.start()

    def _worker(self) -> None:
        """Every other one while it catches up, when it is hardly ever outside a transaction."""
        self._service.wait_for_worker()
        if self._chance.random() < 0.5:
            time.sleep(self._chance.uniform(0, 0.1))
        self._service.worker.kill()
        time.sleep(self._chance.uniform(0, 1))
        self._service.worker.start()

    def _busy(self) -> list[int]:
        """The process of each visitor's connection, but for those of a master that was killed."""
        processes = self._service.web_processes()
        return [pid for pid in processes for _ in self._service.clients(pid)]


def run(service: Service, *, visits: int, targets: list[str], seed: int) -> Result:
    """Send at least `visits`, kill each of `targets` at a random moment of them, let the worker finish, compare."""
    chance, result = random.Random(seed), Result()
    code = service.link(service.sign_up())
    killer = Killer(service, chance, result)
    # Before the last tenth, so that each kill has visits after it.
    moments = sorted(chance.sample(range(1, visits * 9 // 10), len(targets)))
    began = time.monotonic()
    with Visitors(service.port, code, result):
        for moment, target in zip(moments, targets, strict=True):
            eventually(lambda moment=moment: len(result.answered) >= moment, 3 * PATIENCE)
            time.sleep(chance.uniform(0, 0.02))
            killer.kill(target)
        eventually(lambda: len(result.answered) >= visits, 3 * PATIENCE)
    service.wait_for_web()
    result.hear(answered_by_the_poller(service))
    service.drain()
    result.seconds = time.monotonic() - began
    _read(service.database_url, result)
    return result


def _read(database_url: str, result: Result) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        queries = connection.execute(text("SELECT query FROM clicks")).scalars()
        result.stored = [query.removeprefix("visit=") for query in queries]
        total = "SELECT coalesce(sum(humans + bots), 0) FROM click_counts"
        result.counted = int(connection.execute(text(total)).scalar_one())
    engine.dispose()


def shuffled_targets(kills: int, seed: int) -> list[str]:
    """Every kind of target about as often as the others, in random order."""
    targets = [TARGETS[number % len(TARGETS)] for number in range(kills)]
    random.Random(seed).shuffle(targets)
    return targets


def main() -> int:
    parser = argparse.ArgumentParser(prog="make ledger", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--visits", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=21)
    parser.add_argument("--workers", type=int, default=2, help="web processes")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), help="which kills, and when"
    )
    parser.add_argument(
        "--memory", action="store_true", help="the control: clicks in memory, which must fail"
    )
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ledger-")))
        url = stack.enter_context(new_database(options.database, folder))
        application = "tests.memory_wsgi:app" if options.memory else "wsgi:app"
        workers = str(options.workers)
        service = stack.enter_context(serving(url, folder, application, WEB_WORKERS=workers))
        targets = shuffled_targets(options.kills, options.seed)
        result = run(service, visits=options.visits, targets=targets, seed=options.seed)
    lines = [f"ledger on {options.database}, {workers} web processes, seed {options.seed}"]
    lines += [f"  {name:<28}{value:>10}" for name, value in result.table()]
    lines += ["balanced" if result.balanced else "NOT BALANCED"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if result.balanced else 1


if __name__ == "__main__":
    sys.exit(main())
