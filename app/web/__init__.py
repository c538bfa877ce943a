"""What every HTTP door shares. Order matters: each step may rely on those before it."""

from flask import Flask

from app.web import (
    body,
    circumstances,
    errors,
    headers,
    https,
    limits,
    proxy,
    request_id,
    request_log,
    safe_methods,
    strict_json,
    websockets,
)


def init_app(app: Flask) -> None:
    """Wire the shared steps into `app`."""
    app.url_map.merge_slashes = False  # a doubled slash is another path, not a redirect
    strict_json.init_app(app)
    websockets.init_app(app)  # asked after `proxy`, which is wrapped around it
    proxy.init_app(app)
    request_id.init_app(app)
    circumstances.init_app(app)
    request_log.init_app(app)
    safe_methods.init_app(app)
    https.init_app(app)
    body.init_app(app)
    limits.init_app(app)
    headers.init_app(app)
    errors.init_app(app)
