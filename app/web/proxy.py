"""Who the client is, when proxies stand in front.

Nobody else reads `X-Forwarded-*`. The number of trusted hops is a setting, 0 by default: ProxyFix without a
proxy in front lets every client choose its own address. Host is never taken from a header of a proxy: Nginx
passes the client's own on.
"""

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix


def init_app(app: Flask) -> None:
    hops = app.config["PROXY_HOPS"]
    if hops:
        fixed = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)
        app.wsgi_app = fixed  # type: ignore[method-assign]  # how Flask says to wrap an application


def client_address() -> str:
    """The client's address as text; empty where the server knows none (a unix socket without a proxy)."""
    return request.remote_addr or ""
