"""One log line a request, without query strings or bodies: they hold secrets."""

import time

from flask import Flask, Response, g, request

from app.logs import log


def init_app(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_log)


def _begin() -> None:
    g.began = time.perf_counter()


def _log(response: Response) -> Response:
    if request.endpoint and request.endpoint.startswith(("redirects.", "health.")):
        return response  # millions of them; the click is the record, the metrics the count
    duration = round((time.perf_counter() - g.began) * 1000, 1) if "began" in g else None
    principal = g.get("principal")
    log.info(
        "request",
        method=request.method,
        path=request.path,
        status=response.status_code,
        duration_ms=duration,
        user=principal.user if principal else None,
    )
    return response
