"""WebSockets, which nobody here speaks: who offers one is answered as if he had not (RFC 9110 §7.8).

To Werkzeug he asks for routes of another kind: 405, with an `Allow` that lacks the method he used, where the fast
entrances of the visitors' door redirect him.
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask

_SCHEMES = {"ws": "http", "wss": "https"}
"""As proxies may name them in X-Forwarded-Proto (Traefik does)."""


def init_app(app: Flask) -> None:
    behind = app.wsgi_app

    def without_offer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop("HTTP_UPGRADE", None)
        scheme = environ["wsgi.url_scheme"]
        environ["wsgi.url_scheme"] = _SCHEMES.get(scheme, scheme)
        return behind(environ, start_response)

    app.wsgi_app = without_offer  # type: ignore[method-assign]  # how Flask says to wrap an application
