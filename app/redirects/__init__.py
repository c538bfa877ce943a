"""The door for visitors: rules, pages, and their entrances."""

from flask import Flask

from app.redirects import routes
from app.redirects.entrance import EXTENSION, Entrance
from app.redirects.wsgi import PlainHits


def init_app(app: Flask) -> None:
    """Register the door below `SHORT_PREFIX`, with the fast entrance in front of the application."""
    app.url_map.converters["rest"] = routes.Rest
    app.register_blueprint(routes.blueprint(app.config["SHORT_PREFIX"]))
    app.extensions[EXTENSION] = Entrance(app)
    app.wsgi_app = PlainHits(app.extensions[EXTENSION], app.wsgi_app)  # type: ignore[method-assign]  # Flask's own way
