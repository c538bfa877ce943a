"""Who the client is, when proxies stand in front.

Nobody else reads `X-Forwarded-*`. The number of trusted hops is a setting, 0 by default: ProxyFix without a
proxy in front lets every client choose its own address. Host is never taken from a header of a proxy: Nginx
passes the client's own on.
"""

import re

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

# A list such as proxies write it. What looks otherwise (quotes, empty members) is left to ProxyFix.
_LIST = re.compile(r"[0-9A-Za-z:.]+(?:[ \t]*,[ \t]*[0-9A-Za-z:.]+)*")


def init_app(app: Flask) -> None:
    hops = app.config["PROXY_HOPS"]
    if hops:
        fixed = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)
        app.wsgi_app = fixed  # type: ignore[method-assign]  # how Flask says to wrap an application


def client_address() -> str:
    """The client's address as text; empty where the server knows none (a unix socket without a proxy)."""
    return request.remote_addr or ""


def forwarded(own: str, told: str | None, hops: int) -> str | None:
    """What the trusted proxies say in X-Forwarded-For or -Proto (`told`), else `own`: the same as ProxyFix.

    None where the list is not a plain one; then ask ProxyFix.
    """
    if not hops or not told:
        return own
    if not _LIST.fullmatch(told):
        return None
    values = told.split(",")
    return values[-hops].strip() if len(values) >= hops else own
