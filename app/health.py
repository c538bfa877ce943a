"""/healthz, /readyz and /metrics, for orchestrators and Prometheus; exempt from limits and from FORCE_HTTPS."""

import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, Response, current_app, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import text

from app import addresses, database
from app.accounts import waiting
from app.accounts.waiting import QueueCollector
from app.clicks.backlog import BacklogCollector, backlog
from app.clicks.recorder import recorder
from app.errors import FieldError, NotFound, Unavailable
from app.extensions import limiter
from app.logs import log
from app.web import limits
from app.web.proxy import client_address

blueprint = Blueprint("health", __name__)
_WAITING = 5 * 60.0  # seconds that a click or a mail may wait for the worker before /readyz asks after it
_ASKED_AFTER = ("mails", "petitions")
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


class NotReady(Unavailable):
    """503 whose `details` name each part that fails."""

    def __init__(self, failures: dict[str, str]) -> None:
        super().__init__("Not ready: " + ", ".join(failures), retry_after=5)
        self.details = tuple(FieldError(name, message) for name, message in failures.items())


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    for warning in app.config["WARNINGS"]:
        log.warning("doubtful settings", told=warning)
    app.extensions["migration_heads"] = set(ScriptDirectory(str(MIGRATIONS)).get_heads())


@blueprint.get("/healthz")
def healthz() -> dict[str, str]:
    """The process runs; says nothing of what stands behind it."""
    return {"status": "ok"}


@blueprint.get("/readyz")
def readyz() -> dict[str, Any]:
    """Everything behind the process answers. Raises NotReady naming what does not."""
    checks: dict[str, Callable[[], str | None]] = {
        "database": _database,
        "migrations": _migrations,
        "limiter": _limiter,
        "spool": _spool,
    }
    failures = {name: message for name, check in checks.items() if (message := _tried(check))}
    if failures:
        raise NotReady(failures)
    warnings = list(current_app.config["WARNINGS"])
    if limits.shares_nothing(current_app):
        warnings.append("Several web processes without REDIS_URL: each counts its own limits.")
    if current_app.config["FORCE_HTTPS"] and not current_app.config["PROXY_HOPS"]:
        warnings.append(
            "FORCE_HTTPS without PROXY_HOPS: behind a proxy every answer is a redirect to itself."
        )
    warnings += _spool_warnings() + _queue_warnings()
    return {"status": "ready", "checks": dict.fromkeys(checks, "ok"), "warnings": warnings}


@blueprint.get("/metrics")
def metrics() -> Response:
    """Prometheus metrics of all web processes: for the bearer of METRICS_TOKEN; without one set, for loopback
    only. The worker's are at its own WORKER_METRICS_BIND."""
    token = current_app.config["METRICS_TOKEN"]
    sent = request.headers.get("Authorization", "")
    peer = addresses.parse(client_address())
    allowed = (
        hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()) if token else peer and peer.is_loopback
    )
    if not allowed:
        raise NotFound()
    spool = BacklogCollector(current_app.config["SPOOL_DIR"])
    told = (_registry(), spool, QueueCollector(current_app.app_context))
    return Response(b"".join(map(generate_latest, told)), content_type=CONTENT_TYPE_LATEST)


def _registry() -> CollectorRegistry:
    """What this process counts, or where there are several (`gunicorn.conf.py`) what all of them do."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


def _tried(check: Callable[[], str | None]) -> str | None:
    """The failure that `check` tells, or the kind of exception it died of (its text may hold an address)."""
    try:
        return check()
    except Exception as error:
        return f"does not answer ({type(error).__name__})"


def _database() -> None:
    with database.reading() as connection:
        connection.execute(text("SELECT 1"))


def _migrations() -> str | None:
    with database.reading() as connection:
        current = set(MigrationContext.configure(connection).get_current_heads())
    wanted: set[str] = current_app.extensions["migration_heads"]
    if current == wanted:
        return None
    return f"the database is at {', '.join(sorted(current)) or 'nothing'}, the code at {', '.join(sorted(wanted))}"


def _limiter() -> str | None:
    if not current_app.config["RATELIMIT_ENABLED"]:  # Flask-Limiter has no store then
        return None
    return None if limiter.storage.check() else "the store does not answer"


def _spool() -> None:
    recorder().spool.check()
    backlog(current_app.config["SPOOL_DIR"])


def _spool_warnings() -> list[str]:
    """What is said before clicks are lost: by a spool over half full, and by a worker that does not come."""
    found, limit = backlog(current_app.config["SPOOL_DIR"]), current_app.config["SPOOL_LIMIT_BYTES"]
    warnings = []
    if limit and found.size > limit / 2:
        warnings.append(
            f"The spool has {found.size} of {limit} bytes (SPOOL_LIMIT_BYTES), past which clicks are lost."
        )
    if found.age > _WAITING:
        warnings.append(f"Clicks have waited for {found.age / 60:.0f} minutes: is the worker running?")
    return warnings


def _queue_warnings() -> list[str]:
    """What is said while mails are not sent: by a worker that does not come, or a mail server that takes none."""
    return [
        f"{queue.length} {queue.name} wait, the oldest for {queue.age / 60:.0f} minutes: "
        "are worker and mail server running?"
        for queue in waiting.queues()
        if queue.name in _ASKED_AFTER and queue.age > _WAITING
    ]
