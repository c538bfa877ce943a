"""What it costs to know that a link has not changed, on SQLite: ``python -m bench.lookups [--links 1000 1000000]``

The wal-index header (what Slugline looks at), a counter of one's own in a mapped file, SQLite's `data_version`, and
reading the link each time, with so many links in the file. Nanoseconds of one call, median and 99th percentile.
"""

import argparse
import itertools
import mmap
import sqlite3
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import create_engine

from app import clock
from app.links.lookup import Lookup
from app.links.on_sqlite import SQLiteLinks
from bench import table
from bench.measuring import percentile
from bench.seeding import seed, write_codes
from bench.table import Line
from tests.service import new_database

TIMES = 20_000
ASKED = 1_000_000


def nanoseconds(call: Callable[[], object]) -> tuple[float, float]:
    taken: list[float] = []
    for _ in range(TIMES):
        began = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - began)
    return percentile(taken, 0.5), percentile(taken, 0.99)


def measure(folder: Path, links: int) -> dict[str, tuple[float, float]]:
    with new_database("sqlite", folder) as url:
        seed(url, links)
        write_codes(folder / "codes", links, min(links, ASKED))
        codes = itertools.cycle((folder / "codes").read_text().split())
        one = next(codes)
        source = SQLiteLinks(create_engine(url))
        lookup: Lookup[object] = Lookup(source, lambda link, _now: link)
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        own = mmap.mmap(-1, 8)
        now = clock.now()
        source.links(1, [one], wait=False)  # makes the connection, from which on the header is there
        return {
            "nothing, the time of measuring": nanoseconds(lambda: None),
            "wal-index header": nanoseconds(source.stamp),
            "counter in a mapped file": nanoseconds(lambda: struct.unpack_from("Q", own)),
            "PRAGMA data_version": nanoseconds(lambda: connection.execute("PRAGMA data_version").fetchone()),
            "one link, from memory": nanoseconds(lambda: lookup.find([("sho.rt", one)], now, False, None)),
            "one link, read": nanoseconds(lambda: source.links(1, [one], wait=False)),
            "links in turn, read": nanoseconds(lambda: source.links(1, [next(codes)], wait=False)),
            "16 links in turn, read together": nanoseconds(
                lambda: source.links(1, list(itertools.islice(codes, 16)), wait=False)
            ),
        }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.lookups", description=__doc__)
    parser.add_argument("--links", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    options = parser.parse_args()
    by_size: dict[str, dict[int, tuple[float, float]]] = {}
    for links in options.links:
        with tempfile.TemporaryDirectory(prefix="lookups-") as folder:
            found = measure(Path(folder), links)
        sys.stdout.write(f"{links:,} links{'':<30}{'p50 ns':>10}{'p99 ns':>10}\n")
        for name, (median, high) in found.items():
            sys.stdout.write(f"  {name:<40}{median:>10,.0f}{high:>10,.0f}\n")
            by_size.setdefault(name, {})[links] = median, high
    for name, sizes in by_size.items():
        medians = [median for median, _ in sizes.values()]
        table.tell(
            Line(
                f"look-up, SQLite, {table.powers(sizes)} links: {name}",
                table.ratios(medians, medians[0]),
                "the first size",
                cpu=table.microseconds(*(1e-9 * median for median in medians), digits=2),
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
