"""The door for visitors: rules, pages, and their entrances."""

from flask import Flask

from app.redirects import routes


def init_app(app: Flask) -> None:
    """Register the door below `SHORT_PREFIX`."""
    app.url_map.converters["rest"] = routes.Rest
    app.register_blueprint(routes.blueprint(app.config["SHORT_PREFIX"]))
