"""How long signing in and creating a link take beside a worker that ingests at full speed:
``python -m bench.writers``

Spool files of writers that are gone are made ahead; calls are made one after the other, first with no worker, then
as long as the worker is at those files. With ``--every 2.5`` some seconds pass before each call, so that the worker
is back in its long batches, which a writer then has given up (a million lines are some twenty calls). Signing in is
measured at the full strength of passwords and with one round of PBKDF2: the difference is hashing.
"""

import argparse
import itertools
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from app.clicks.line import ClickLine, encode
from bench import table
from bench.measuring import HEADER, percentile, row, timed
from tests.conftest import PASSWORD, environment
from tests.service import Service, new_database

FILES = 4
LINKS = 200
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0",
    "Mozilla/5.0 (compatible; Googlebot/2.{}; +http://www.google.com/bot.html)",
)
Call = Callable[[], None]


def fill(spool: Path, lines: int) -> None:
    """Write clicks as web processes leave them that have ended."""
    spool.mkdir(parents=True, exist_ok=True)
    for _ in range(FILES):
        with (spool / f"{time.time_ns()}-{secrets.token_hex(16)}.spool").open("wb") as file:
            file.writelines(itertools.islice(clicks(), lines // FILES))


def clicks() -> Iterator[bytes]:
    """Lines of the last hour, for ever."""
    chance, now = random.Random(1), time.time_ns() // 1_000_000
    while True:
        yield encode(
            ClickLine(
                time=now - chance.randrange(3_600_000),
                link_id=chance.randrange(1, LINKS + 1),
                kind="click",
                visitor=chance.randbytes(8).hex(),
                address=f"{chance.randrange(1, 223)}.{chance.randrange(256)}.{chance.randrange(256)}.0/24",
                user_agent=chance.choice(AGENTS).format(chance.randrange(1, 30)),
                referrer=f"https://site{chance.randrange(50)}.example.org/page",
                query=f"visit={chance.randbytes(8).hex()}",
            )
        )


def calls(service: Service) -> dict[str, Call]:
    """Signing in and creating a link, on a connection that stays open."""
    account = {"email": "ada@example.org", "password": PASSWORD}
    service.sign_up(account["email"])
    token = service.sign_up("grace@example.org")  # another's: of so many sessions the first are ended
    connection = service.connect()
    numbers = itertools.count(1)

    def sign_in() -> None:
        answer = service.call("POST", "/api/v1/auth/login", body=account, connection=connection)
        assert answer.status == 200, answer

    def create() -> None:
        body = {"url": f"https://example.org/{next(numbers)}"}
        answer = service.call("POST", "/api/v1/links", token=token, body=body, connection=connection)
        assert answer.status == 201, answer

    return {"sign in": sign_in, "create a link": create}


def spaced(call: Call, times: int, every: float) -> list[float]:
    """Seconds of each of `times` calls, with `every` seconds or up to a fifth more before each."""
    seconds: list[float] = []
    for _ in range(times):
        time.sleep(random.uniform(every, 1.2 * every))
        seconds += timed(call, 1)
    return seconds


def beside_ingest(service: Service, call: Call, lines: int, every: float) -> tuple[list[float], float]:
    """Call until the worker has stored all of `lines`; return the seconds of each call, and lines a second."""
    fill(service.spool, lines)
    service.restart_worker()
    began = time.perf_counter()
    seconds: list[float] = []
    while any(service.spool.glob("*.spool")):
        seconds += spaced(call, 1, every)
    rate = lines / (time.perf_counter() - began)
    service.worker.stop()
    return seconds, rate


def measure(database: str, rounds: int, lines: int, every: float, names: list[str]) -> Iterator[str]:
    """The table's rows for one strength of passwords."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="writers-")))
        url = stack.enter_context(new_database(database, folder))
        own = {"PASSWORD_ROUNDS": str(rounds), "RATELIMIT_ENABLED": "false"}
        service = Service({**environment(url, folder), **own}, folder)
        stack.callback(service.close)
        service.web.start()
        service.wait_for_web()
        for name, call in calls(service).items():
            if name not in names:
                continue
            timed(call, 20)  # caches warm
            seconds, rate = beside_ingest(service, call, lines, every)
            alone = spaced(call, len(seconds), every)
            yield row(f"{name}, no worker", alone)
            yield row(f"{name}, ingest of {rate:,.0f} lines/s", seconds)
            what = f"{name}, {database}, {rounds:,} rounds, beside ingest of {rate:,.0f} lines/s"
            table.tell(table.compared(what, seconds, percentile(alone, 0.99), "p99 without ingest"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.writers", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--lines", type=int, default=100_000, help="in the spool, for each measurement")
    parser.add_argument("--every", type=float, default=0.0, help="seconds before each call")
    options = parser.parse_args()
    say = sys.stdout.write
    say(f"{options.database}, {options.lines:,} lines in the spool\n{HEADER}\n")
    for rounds, names in ((600_000, ["sign in", "create a link"]), (1, ["sign in"])):
        say(f"  passwords of {rounds:,} rounds\n")
        for line in measure(options.database, rounds, options.lines, options.every, names):
            say(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
