"""How fast redirects are, of every entrance, on every database, behind Nginx: ``python -m bench.redirects``

Each row starts its server on one core, its database's included, and wrk on another one; rows take turns, round after
round, and of each figure the median is shown. The ratio is to the bare application that stands as the row does.
"""

import argparse
import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from bench import table
from bench.load import Cores, load, reads
from bench.processes import cpu_seconds, family, memory, on_cores
from bench.seeding import seed, write_codes
from bench.table import Line
from tests.conftest import environment, new_postgres_database
from tests.e2e.processes import ROOT, eventually
from tests.servers import free_port, postgresql, wait_for_port
from tests.service import Service, migrate
from tests.system.proxy import make_certificate, nginx

HOT, PLAIN = "app.redirects.worker.Worker", "app.web.server.Worker"
WARM_UP = 1  # seconds
MIB = 1024 * 1024
READS = 1.05  # look-ups an unknown code may cost; some requests are under way whenever wrk stops
GROWTH = 20  # MiB by which a million unknown codes may make a process larger


@dataclass(frozen=True)
class Row:
    """What is measured: a server, or how Slugline is set up."""

    title: str
    worker: str = HOT
    """Gunicorn's worker class; "" for what is not Slugline."""
    application: str = "wsgi:app"
    base: str = "bare"
    """The row that is 1.0."""
    database: str = "sqlite"
    links: int = 1_000
    asked: int = 1_000
    """How many of the links are asked for, in turn."""
    warm: bool = True
    behind_nginx: bool = False
    by_socket: bool = False
    """Nginx reaches it by a unix socket, as in docker-compose.yml."""
    ingest: bool = False
    """With the worker process on the server's core, which stores what is recorded meanwhile."""
    processes: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)


MANY = {"links": 1_000_000, "asked": 1_000_000, "warm": False}
ROWS = {
    "nginx": Row("Nginx `return 302`", worker=""),
    "bare": Row("bare WSGI 302, gthread of 4 threads", worker=""),
    "bare-nginx": Row("bare WSGI 302 behind Nginx", worker="", base="bare-nginx", behind_nginx=True),
    "hot": Row("hot worker"),
    "wsgi": Row("WSGI callable", PLAIN),
    "flask": Row("Flask route", PLAIN, application="bench.flask_alone:app"),
    "hot-few": Row("hot worker, 1,000 of 1,000,000 links", links=1_000_000),
    "hot-many": Row("hot worker, 1,000,000 links, each asked for the first time", **MANY),
    "pg-hot": Row("hot worker, PostgreSQL", database="postgresql"),
    "pg-wsgi": Row("WSGI callable, PostgreSQL", PLAIN, database="postgresql"),
    "pg-flask": Row(
        "Flask route, PostgreSQL", PLAIN, database="postgresql", application="bench.flask_alone:app"
    ),
    "pg-few": Row("hot worker, PostgreSQL, 1,000 of 1,000,000 links", database="postgresql", links=1_000_000),
    "pg-many": Row(
        "hot worker, PostgreSQL, 1,000,000 links, each asked for the first time",
        database="postgresql",
        **MANY,
    ),
    "hot-nginx": Row("hot worker behind Nginx", base="bare-nginx", behind_nginx=True),
    "hot-socket": Row(
        "hot worker behind Nginx, by a unix socket", base="bare-nginx", behind_nginx=True, by_socket=True
    ),
    "hot-ingest": Row("hot worker, ingester at work", ingest=True),
    "pg-ingest": Row("hot worker, PostgreSQL, ingester at work", database="postgresql", ingest=True),
    "hot-two": Row("two hot workers, a core each", base="hot", processes=2),
    "slope-5": Row(
        "hot worker, 100,000 links, each asked for the first time", links=100_000, asked=100_000, warm=False
    ),
    "slope-7": Row(
        "hot worker, 1,000,000 of 10,000,000 links, each asked for the first time",
        **{**MANY, "links": 10_000_000},
    ),
}
SLOPE = ("hot", "slope-5", "hot-many", "slope-7")
"""From 1,000 links to 10 million."""
OF = {"bare": "bare", "bare-nginx": "bare behind Nginx", "hot": "one hot worker"}
UNKNOWN = {
    "unknown": Row("unknown codes", settings={"RATELIMIT_ENABLED": "false"}),
    "pg-unknown": Row(
        "unknown codes, PostgreSQL", database="postgresql", settings={"RATELIMIT_ENABLED": "false"}
    ),
}


class Figures(NamedTuple):
    """What one round of a row found. Seconds, and bytes of the largest server process."""

    rate: float
    p50: float
    p99: float
    cpu: float
    """Of all the server's processes, but for database and worker; for each request."""
    rss: int
    anonymous: int
    worker_rss: int
    """Of the worker process; 0 where none runs."""
    worker_anonymous: int


class Running(NamedTuple):
    port: int
    pids: list[int]
    socket: str | None = None
    """As Nginx names it, where it listens there instead."""
    worker: int | None = None
    """The id of the worker process."""


class Bench:
    """Where the measurements take place: databases made once, PostgreSQL running if a row wants it."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._tls = make_certificate(folder)
        self._urls: dict[tuple[str, int], str] = {}
        self._server: str | None = None

    def measure(self, row: Row, seconds: int) -> Figures:
        """Start the row's server, ask, stop it."""
        cores = Cores.divided(row.processes)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self._folder)))
            codes = folder / "codes"
            write_codes(codes, row.links, row.asked)
            with on_cores(cores.server):
                running = stack.enter_context(self.serve(row, folder))
            if row.warm:
                load(cores, running.port, codes, WARM_UP)
            before = cpu_seconds(running.pids)
            found = load(cores, running.port, codes, seconds)
            assert not found["refused"], found
            cpu = (cpu_seconds(running.pids) - before) / found["requests"]
            sizes = (*memory(running.pids), *(memory([running.worker]) if running.worker else (0, 0)))
        return Figures(found["requests"] / found["seconds"], found["p50"], found["p99"], cpu, *sizes)

    def scan(self, row: Row, requests: int, seconds: int) -> Line:
        """Ask for so many codes that no link has; tell what it cost."""
        cores = Cores.divided(1)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self._folder)))
            with on_cores(cores.server):
                running = stack.enter_context(self.serve(row, folder))
            load(cores, running.port, Path("-"), seconds, seed=0)
            before, size, sent, began = reads(running.port), memory(running.pids), 0, time.monotonic()
            for turn in itertools.count(1):
                sent += int(load(cores, running.port, Path("-"), seconds, seed=turn)["requests"])
                if sent >= requests:
                    break
            rate = sent / (time.monotonic() - began)
            after, larger = reads(running.port), memory(running.pids)
        growth = (larger.anonymous - size.anonymous) / MIB
        assert after - before <= READS * sent, f"{after - before:,} look-ups for {sent:,} requests"
        assert growth < GROWTH, f"{growth:.1f} MiB more"
        return Line(
            f"{row.title}, {sent:,} requests: look-ups in the database, growth",
            table.ratios([after - before], sent),
            "requests",
            rate=f"{rate:,.0f}",
            rss=table.mebibytes(larger.rss),
            anonymous=f"{growth:+.1f}",
        )

    @contextmanager
    def serve(self, row: Row, folder: Path) -> Iterator[Running]:
        """The row's server, on the cores of this process."""
        with ExitStack() as stack:
            if not row.worker:
                running = stack.enter_context(bare(folder))
            else:
                running = stack.enter_context(self._slugline(row, folder))
            if row.behind_nginx or row is ROWS["nginx"]:
                port = free_port()
                more = f"listen 127.0.0.1:{port}; access_log off; location / {{ return 302 https://example.org/; }}"
                # As many processes as `auto` finds cores; it would count those that others have.
                own_cores = str(len(os.sched_getaffinity(0)))
                proxy = stack.enter_context(
                    nginx(
                        running.socket or running.port,
                        self._tls,
                        folder,
                        f"server {{ {more} }}",
                        worker_processes=own_cores,
                    )
                )
                own = family(int((folder / "nginx.pid").read_text()))
                running = Running(proxy.http, running.pids + own) if row.behind_nginx else Running(port, own)
            yield running

    @contextmanager
    def _slugline(self, row: Row, folder: Path) -> Iterator[Running]:
        """As shipped, but for the worker class and the row's own settings."""
        socket = f"unix:{folder}/web.sock" if row.by_socket else None
        both = f" --bind 127.0.0.1:{free_port()} --bind {socket}" if socket else ""
        own = {
            "FLASK_CONFIG": "development",
            "WEB_WORKERS": str(row.processes),
            "GUNICORN_CMD_ARGS": f"--worker-class {row.worker}{both}",
            "PROXY_HOPS": str(int(row.behind_nginx)),
            **row.settings,
        }
        url = self._database(row)
        if row.database == "sqlite":
            read_through(Path(url.removeprefix("sqlite:///")))
        service = Service({**environment(url, folder), **own}, folder, row.application)
        try:
            service.web.start()
            if socket:
                for one in (folder, folder.parent):  # Nginx's processes are not root
                    one.chmod(0o711)
                eventually(lambda: service.web.says("Booting worker"))
            else:
                service.wait_for_web()
            if row.ingest:
                service.restart_worker()
            worker = service.worker.pid if row.ingest else None
            yield Running(service.port, family(service.web.pid), socket, worker)
        finally:
            service.close()

    def _database(self, row: Row) -> str:
        """Where clicks are stored it is a new one each time: a table of many would be slower."""
        key = (row.database, row.links)
        if row.ingest or key not in self._urls:
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            url = f"sqlite:///{folder}/slugline.db"
            if row.database == "postgresql":
                self._server = self._server or self._stack.enter_context(postgresql())
                url = new_postgres_database(self._server)
            migrate(url, folder)
            seed(url, row.links)
            self._urls[key] = url
        return self._urls[key]


def read_through(file: Path) -> None:
    """Have it in the kernel's cache, as a busy service's file is; one that waits for its round may be dropped."""
    with file.open("rb") as data:
        while data.read(MIB):
            pass


@contextmanager
def bare(folder: Path) -> Iterator[Running]:
    """The least application under the server that Slugline's worker is made of."""
    port = free_port()
    options = ["-k", "gthread", "--threads", "4", "--no-control-socket", "-b", f"127.0.0.1:{port}"]
    elsewhere = ROOT / "bench"  # not where Gunicorn would find our settings
    with (folder / "bare.log").open("wb") as log:
        command = [sys.executable, "-m", "gunicorn", *options, "bare:app"]
        process = subprocess.Popen(command, cwd=elsewhere, stdout=log, stderr=log)
    try:
        wait_for_port(port)
        eventually(lambda: len(family(process.pid)) > 1)
        yield Running(port, family(process.pid))
    finally:
        process.terminate()
        process.wait(30)


def lines(found: Mapping[str, list[Figures]]) -> Iterator[Line]:
    """A line for each row, and the slope where all its rows were measured."""
    middle = {
        name: Figures(*map(statistics.median, zip(*rounds, strict=True))) for name, rounds in found.items()
    }
    for name, figures in middle.items():
        base = ROWS[name].base
        ratio = table.ratios([figures.rate], middle[base].rate)
        yield Line(_title(ROWS[name]), ratio, OF[base], *_cells([figures]))
        if figures.worker_rss:
            sizes = (table.mebibytes(figures.worker_rss), table.mebibytes(figures.worker_anonymous))
            yield Line(f"{ROWS[name].title}: the worker process", rss=sizes[0], anonymous=sizes[1])
    if set(SLOPE) <= set(middle):
        slope = [middle[name] for name in SLOPE]
        cpu = table.ratios([figures.cpu for figures in slope], slope[0].cpu)
        sizes = table.powers(ROWS[name].links for name in SLOPE)
        how = "the first in memory, the others each read"
        yield Line(f"slope: hot worker, {sizes} links, {how}", cpu, "CPU at the first size", *_cells(slope))


def _title(row: Row) -> str:
    """With what bounds the row on this machine."""
    server, generator = Cores.divided(row.processes)
    shares = generator <= server
    return f"{row.title}, the last of which wrk uses as well" if shares else row.title


def _cells(found: list[Figures]) -> tuple[str, ...]:
    return (
        " · ".join(f"{figures.rate:,.0f}" for figures in found),
        table.milliseconds(*(figures.p50 for figures in found)),
        table.milliseconds(*(figures.p99 for figures in found)),
        table.microseconds(*(figures.cpu for figures in found)),
        table.mebibytes(*(figures.rss for figures in found)),
        table.mebibytes(*(figures.anonymous for figures in found)),
    )


def heading(rounds: int, seconds: int) -> str:
    """Where and how this was measured."""
    server, generator = (min(cores) for cores in Cores.divided(1))
    software = f"Python {platform.python_version()}, gunicorn {version('gunicorn')}"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {software}"
    how = f"Server on core {server}, wrk -t1 -c32 on core {generator}; medians of {rounds} rounds of {seconds} s."
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine}. {how}"


def main() -> int:
    names = [*ROWS, *UNKNOWN]
    parser = argparse.ArgumentParser(prog="python -m bench.redirects", description=__doc__)
    parser.add_argument(
        "--rows", nargs="+", choices=names, default=names, metavar="ROW", help=", ".join(names)
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each row in each round")
    parser.add_argument(
        "--unknown", type=int, default=1_000_000, help="requests for unknown codes, a tenth on PostgreSQL"
    )
    options = parser.parse_args()
    wanted = [name for name in options.rows if name in ROWS]
    rows = [name for name in ROWS if name in {*wanted, *(ROWS[name].base for name in wanted)}]
    say = sys.stdout.write
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redirects-")))
        with on_cores(Cores.divided(1).server):
            bench = Bench(stack, folder)
        found: dict[str, list[Figures]] = {name: [] for name in rows}
        for number in range(options.rounds if rows else 0):
            for name in rows:
                sys.stderr.write(f"round {number + 1} of {options.rounds}: {name}\n")
                found[name].append(bench.measure(ROWS[name], options.seconds))
        say(heading(options.rounds, options.seconds) + "\n\n")
        measured = list(lines(found))
        say("\n".join(table.markdown(measured)) + "\n\n" if rows else "")
        sys.stdout.flush()
        for line in measured:
            table.tell(line)
        for name in (name for name in UNKNOWN if name in options.rows):
            requests = options.unknown if UNKNOWN[name].database == "sqlite" else options.unknown // 10
            line = bench.scan(UNKNOWN[name], requests, options.seconds)
            say(f"{table.row(line)}\n")
            table.tell(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
