"""The door for visitors: rules, pages, and their entrances."""

from flask import Flask

from app.clicks import recorder
from app.redirects import routes


def init_app(app: Flask) -> None:
    """Register the door below `SHORT_PREFIX`, and the recorder of its clicks."""
    recorder.init_app(app)
    app.url_map.converters["rest"] = routes.Rest
    app.register_blueprint(routes.blueprint(app.config["SHORT_PREFIX"]))
