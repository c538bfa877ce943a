"""How long ten batches of a thousand links take: ``python -m bench.batch``

One client with one connection calls Slugline as `make run` starts it, one call after the other, in Python as clients
write it. The seconds are the client's, from the first byte of each request to the last of its answer. The bar is
10,000 plain links in ten calls within 5 s on SQLite.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import table
from bench.measuring import HEADER, percentile, row, timed
from bench.processes import cpu_seconds, family
from bench.table import Line
from tests.service import Service, new_database, serving

ITEMS = 1_000
BAR = 5.0  # seconds for ten calls
Item = dict[str, Any]


def plain(number: int) -> Item:
    return {"op": "create", "link": {"url": f"https://example.org/articles/{number}?ref=mail"}}


def full(number: int) -> Item:
    link = {
        "url": f"https://example.org/articles/{number}?ref=mail",
        "code": f"code-{number}",
        "title": f"Article {number}",
        "tags": ["news", f"week-{number % 50}"],
        "expires_at": "2099-01-01T00:00:00Z",
    }
    return {"op": "create", "link": link}


def update(number: int) -> Item:
    return {"op": "update", "code": f"code-{number}", "changes": {"title": "New", "tags": ["old"]}}


def delete(number: int) -> Item:
    return {"op": "delete", "code": f"code-{number}"}


KINDS: dict[str, Callable[[int], Item]] = {
    "create, url alone": plain,
    "create, code, title, tags, expiry": full,
    "update, title and tags": update,
    "delete": delete,
}


def measure(service: Service, calls: int) -> Iterator[tuple[str, list[float], float]]:
    """The seconds of each call and the server's CPU seconds in all, for each kind of item."""
    token, connection = service.sign_up(), service.connect()
    for name, item in KINDS.items():
        numbers = iter(range(calls * ITEMS))

        def call(item: Callable[[int], Item] = item, numbers: Iterator[int] = numbers) -> None:
            body = {"items": [item(next(numbers)) for _ in range(ITEMS)]}
            answer = service.call(
                "POST", "/api/v1/links/batch", token=token, body=body, connection=connection
            )
            assert answer.json["summary"]["failed"] == 0, answer.json

        before = cpu_seconds(family(service.web.pid))
        yield name, timed(call, calls), cpu_seconds(family(service.web.pid)) - before


def tell(what: str, seconds: list[float], cpu: float) -> None:
    """All of the calls together, in bars: the bar is for plain links on SQLite."""
    items = ITEMS * len(seconds)
    table.tell(
        Line(
            what,
            table.ratios([sum(seconds)], BAR * len(seconds) / 10),
            f"{BAR} s for ten calls",
            rate=f"{items / sum(seconds):,.0f}",
            p50=table.milliseconds(percentile(seconds, 0.5)),
            p99=table.milliseconds(max(seconds)),
            cpu=table.microseconds(cpu / items),
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.batch", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--calls", type=int, default=10)
    options = parser.parse_args()
    say = sys.stdout.write
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batch-")))
        url = stack.enter_context(new_database(options.database, folder))
        service = stack.enter_context(serving(url, folder, LIMIT_CREATE="none", RATELIMIT_ENABLED="true"))
        say(f"{options.database}, calls of {ITEMS:,} items\n{HEADER}\n")
        for name, seconds, cpu in measure(service, options.calls):
            say(f"{row(name, seconds)}   {sum(seconds):6.2f} s in all, {cpu:6.2f} s of CPU\n")
            tell(f"batch, {options.database}, {options.calls} calls of {ITEMS:,}: {name}", seconds, cpu)
            sys.stdout.flush()
        say(f"the bar: {BAR} s for ten calls of the first kind\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
