"""Structured logs: one JSON object a line on stderr, through structlog and the standard library alike."""

import logging.config
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict

log: structlog.stdlib.BoundLogger = structlog.get_logger("slugline")

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(level: str) -> None:
    """Send every log line, ours and the libraries', through one JSON renderer."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    logging.config.dictConfig(dict_config(level))


def dict_config(level: str) -> dict[str, Any]:
    """The `logging.config.dictConfig` that Gunicorn takes as well."""
    final = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        # Without locals: they hold passwords and tokens.
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        _without_details,
        structlog.processors.JSONRenderer(),
    ]
    formatter = {"()": structlog.stdlib.ProcessorFormatter, "foreign_pre_chain": _SHARED, "processors": final}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
            # SQL and its parameters hold addresses and hashes.
            "sqlalchemy": {"level": "WARNING"},
            "alembic": {"level": "WARNING"},
            "flask-limiter": {"level": "WARNING"},
        },
    }


def _without_details(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """PostgreSQL repeats the row that it refuses, addresses and hashes included, in the DETAIL of its message."""
    for error in event.get("exception", ()):
        error["exc_value"] = error["exc_value"].partition("\nDETAIL:")[0]
    return event
