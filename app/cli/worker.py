"""``flask worker``: ingests clicks and does the chores; one beside the web processes of each spool directory."""

import os
import signal
import threading
from collections.abc import Sequence

import click
from flask import current_app
from flask.cli import with_appcontext
from flask.ctx import AppContext
from prometheus_client import REGISTRY, start_http_server
from sqlalchemy import event

from app.accounts import (
    answers,
    api_keys,
    avatars,
    challenges,
    devices,
    guesses,
    one_time,
    petitions,
    sessions,
    signing_keys,
    users,
    uses,
)
from app.accounts.oidc import flows
from app.accounts.waiting import QueueCollector
from app.audit import retention, sealing, security_log
from app.clicks.backlog import BacklogCollector, note_positions
from app.clicks.daykeys import keep_day_keys
from app.clicks.retention import OldClicks, forget_visitors
from app.clicks.summing import sum_weeks
from app.clicks.tidying import tidy_spool
from app.clicks.worker import Chore, run_chores, run_worker
from app.errors import AppError
from app.extensions import db
from app.links.closing import close_account, erase_deleted
from app.mail.sending import send_due

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
    Chore("challenges", 10 * _MINUTE, challenges.forget_expired),
    Chore("devices", _HOUR, devices.forget_old),
    Chore("avatars", _HOUR, avatars.remove_unused),
    Chore("one-time tokens", _HOUR, one_time.forget_expired),
    Chore("signing keys", _HOUR, signing_keys.forget_expired),
    Chore("sign-ins under way", 10 * _MINUTE, flows.forget_expired),
    Chore("stored answers", 10 * _MINUTE, answers.forget_expired),
    Chore("deleted links", _HOUR, erase_deleted),
    Chore("deprecated uses", _HOUR, uses.forget_old),
    Chore("audit seals", 5.0, sealing.seal),
    Chore("security log", 5.0, security_log.write),
    Chore("old events", 10 * _MINUTE, retention.forget_events),
    Chore("spool", _HOUR, tidy_spool),
    Chore("spool positions", 5.0, note_positions),
    Chore("old clicks", 10.0, OldClicks().forget),
    Chore("old visitors", 10.0, forget_visitors),
    Chore("sums of weeks", 10.0, sum_weeks),
)
_PATIENCE = (
    5.0  # seconds for the mail that is being sent when the worker shall stop; it is sent again otherwise
)


def answer_petitions() -> None:
    """Answer what was asked of addresses, each in a transaction of its own."""
    while petitions.answer_next():
        db.session.commit()


def close_never_verified() -> None:
    """Close the accounts whose address nobody verified, each in a transaction of its own."""
    for user_id in users.never_verified():
        try:
            close_account(user_id, unless_verified=True)
        except AppError:  # verified, used or closed since; or the last admin's
            db.session.rollback()
        else:
            db.session.commit()


POST: Sequence[Chore] = (
    Chore("petitions", 1.0, answer_petitions),
    Chore("mail", 1.0, send_due),
    Chore("accounts nobody verified", _HOUR, close_never_verified),
)
"""What has to do with mail, and may wait for a mail server."""


@click.command("worker")
@with_appcontext
def command() -> None:
    """Ingest clicks and do the chores until INT or TERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    _check_log()
    _serve_metrics(current_app.config["WORKER_METRICS_BIND"])
    prepare_database()
    os.nice(_NICENESS)
    post = threading.Thread(target=_do_the_post, args=(current_app.app_context(), stop), daemon=True)
    post.start()
    run_worker(stop, CHORES)
    post.join(_PATIENCE)


def _check_log() -> None:
    """Refuse to start, rather than to keep a log that nobody finds: in the one process that writes it."""
    try:
        security_log.check()
    except OSError as error:
        raise click.ClickException(f"SECURITY_LOG cannot be written: {error}") from None


def _do_the_post(context: AppContext, stop: threading.Event) -> None:
    """In a thread of its own: a mail server that hangs keeps no click waiting."""
    with context:
        run_chores(stop, POST)


def _serve_metrics(bind: str) -> None:
    """Let Prometheus ask the worker for its own counts; off unless WORKER_METRICS_BIND says where."""
    if bind:
        REGISTRY.register(BacklogCollector(current_app.config["SPOOL_DIR"]))
        REGISTRY.register(QueueCollector(current_app.app_context))
        host, _, port = bind.rpartition(":")
        start_http_server(int(port), host.strip("[]"))


def prepare_database() -> None:
    """Where SPOOL_FSYNC asks for more than the kernel's memory, let SQLite sync each commit of this process.

    A spool file is deleted once its clicks are committed; else SQLite syncs at checkpoints (`app.database`).
    """
    if current_app.config["SPOOL_FSYNC"] != "never" and db.engine.dialect.name == "sqlite":
        event.listen(db.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = FULL"))
