"""Slugline: a self-hosted link shortener with accounts. `create_app` is the table of contents."""

from flask import Flask

from app import account_pages, api, caching, cli, database, docs, health, jwks, logs, models, redirects, web
from app.clicks import recorder
from app.extensions import cors, db, jwt, limiter, migrate
from app.web import pages
from config import Config

__all__ = ["create_app", "models"]


def create_app(config: Config) -> Flask:
    """Build the application for `config`. Opens no connection."""
    logs.configure(config.LOG_LEVEL)
    app = Flask(__name__, static_folder=None, template_folder=pages.TEMPLATES)
    app.config.update(config.flask())

    database.init_app(app, db)
    migrate.init_app(app, db)
    jwt.init_app(app)
    limiter.init_app(app)
    cors.init_app(app)
    caching.init_app(app)

    recorder.init_app(app)

    web.init_app(app)
    health.init_app(app)
    docs.init_app(app)
    account_pages.init_app(app)
    jwks.init_app(app)
    api.init_app(app)
    redirects.init_app(app)
    cli.init_app(app)
    return app
