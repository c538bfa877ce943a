"""The door for operators: ``flask users | domains | clicks | api …``, ``flask worker``, ``flask spec``."""

from flask import Flask

from app.cli import api, clicks, domains, spec, users, worker


def init_app(app: Flask) -> None:
    for command in (users.group, domains.group, clicks.group, api.group, worker.command, spec.command):
        app.cli.add_command(command)
