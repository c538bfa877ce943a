"""The door for operators: ``flask users | keys | domains | clicks | api | audit | worker | spec``."""

from flask import Flask

from app.cli import api, audit, clicks, domains, keys, spec, users, worker


def init_app(app: Flask) -> None:
    groups = (users.group, keys.group, domains.group, clicks.group, api.group, audit.group)
    for command in (*groups, worker.command, spec.command):
        app.cli.add_command(command)
