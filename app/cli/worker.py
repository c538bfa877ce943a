"""``flask worker``: ingests clicks and does the chores; one beside the web processes of each spool directory."""

import signal
import threading
from collections.abc import Sequence

import click
from flask import current_app
from flask.cli import with_appcontext
from prometheus_client import start_http_server

from app.accounts import guesses, sessions
from app.clicks.daykeys import keep_day_keys
from app.clicks.tidying import tidy_spool
from app.clicks.worker import Chore, run_worker
from app.links.closing import erase_deleted

_MINUTE = 60.0
_HOUR = 60 * _MINUTE
CHORES: Sequence[Chore] = (
    Chore("day keys", 10 * _MINUTE, keep_day_keys),
    Chore("guesses", 10 * _MINUTE, guesses.forget_expired),
    Chore("sessions", _HOUR, sessions.purge),
    Chore("deleted links", _HOUR, erase_deleted),
    Chore("spool", _HOUR, tidy_spool),
)


@click.command("worker")
@with_appcontext
def command() -> None:
    """Ingest clicks and do the chores until INT or TERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    _serve_metrics(current_app.config["WORKER_METRICS_BIND"])
    run_worker(stop, CHORES)


def _serve_metrics(bind: str) -> None:
    """Let Prometheus ask the worker for its own counts; off unless WORKER_METRICS_BIND says where."""
    if bind:
        host, _, port = bind.rpartition(":")
        start_http_server(int(port), host.strip("[]"))
