"""The door for programs: one package a version, and what the versions share."""

from flask import Flask

from app.api import access, negotiation, v1


def init_app(app: Flask) -> None:
    access.init_app(app)
    negotiation.init_app(app)
    v1.init_app(app)
