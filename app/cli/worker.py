"""``flask worker``: ingests clicks and does the chores; one beside the web processes of each spool directory."""

import os
import signal
import threading
from collections.abc import Sequence

import click
from flask import current_app
from flask.cli import with_appcontext
from prometheus_client import REGISTRY, start_http_server
from sqlalchemy import event

from app.accounts import answers, api_keys, avatars, devices, guesses, sessions, uses
from app.audit import retention, sealing, security_log
from app.clicks.backlog import BacklogCollector, note_positions
from app.clicks.daykeys import keep_day_keys
from app.clicks.retention import forget_clicks, forget_visitors
from app.clicks.tidying import tidy_spool
from app.clicks.worker import Chore, run_worker
from app.extensions import db
from app.links.closing import erase_deleted

# Where web and worker share a core, visitors go first: the web process gets two thirds of it (sched(7)), and clicks
# are counted a little later. Not more: a worker that is put off while it has the lock keeps other writers waiting.
_NICENESS = 3
_MINUTE = 60.0
_HOUR = 60 * _MINUTE
CHORES: Sequence[Chore] = (
    Chore("day keys", 10 * _MINUTE, keep_day_keys),
    Chore("guesses", 10 * _MINUTE, guesses.forget_expired),
    Chore("sessions", _HOUR, sessions.purge),
    Chore("API keys", _HOUR, api_keys.forget_expired),
    Chore("devices", _HOUR, devices.forget_old),
    Chore("avatars", _HOUR, avatars.remove_unused),
    Chore("stored answers", 10 * _MINUTE, answers.forget_expired),
    Chore("deleted links", _HOUR, erase_deleted),
    Chore("deprecated uses", _HOUR, uses.forget_old),
    Chore("audit seals", 5.0, sealing.seal),
    Chore("security log", 5.0, security_log.write),
    Chore("old events", 10 * _MINUTE, retention.forget_events),
    Chore("spool", _HOUR, tidy_spool),
    Chore("spool positions", 5.0, note_positions),
    Chore("old clicks", 10.0, forget_clicks),
    Chore("old visitors", 10.0, forget_visitors),
)


@click.command("worker")
@with_appcontext
def command() -> None:
    """Ingest clicks and do the chores until INT or TERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    _serve_metrics(current_app.config["WORKER_METRICS_BIND"])
    prepare_database()
    os.nice(_NICENESS)
    run_worker(stop, CHORES)


def _serve_metrics(bind: str) -> None:
    """Let Prometheus ask the worker for its own counts; off unless WORKER_METRICS_BIND says where."""
    if bind:
        REGISTRY.register(BacklogCollector(current_app.config["SPOOL_DIR"]))
        host, _, port = bind.rpartition(":")
        start_http_server(int(port), host.strip("[]"))


def prepare_database() -> None:
    """Where SPOOL_FSYNC asks for more than the kernel's memory, let SQLite sync each commit of this process.

    A spool file is deleted once its clicks are committed; else SQLite syncs at checkpoints (`app.database`).
    """
    if current_app.config["SPOOL_FSYNC"] != "never" and db.engine.dialect.name == "sqlite":
        event.listen(db.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = FULL"))
