"""The door for programs: one package a version, and what the versions share."""

from flask import Flask

from app.api import v1


def init_app(app: Flask) -> None:
    v1.init_app(app)
