"""Safe methods (RFC 9110 §9.2.1) only read: their database session refuses to write."""

from flask import Flask, request

from app import database
from app.extensions import db

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def init_app(app: Flask) -> None:
    app.before_request(_read_only)


def _read_only() -> None:
    if request.method in SAFE_METHODS:
        database.make_read_only(db.session())
