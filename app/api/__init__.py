"""The door for programs: one package a version, and what the versions share."""

from flask import Flask

from app.api import access, deprecation, negotiation, transport, v1, versions


def init_app(app: Flask) -> None:
    access.init_app(app)
    negotiation.init_app(app)
    deprecation.init_app(app)
    transport.init_app(app)
    versions.init_app(app)
    v1.init_app(app)
