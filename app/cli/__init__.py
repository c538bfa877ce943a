"""The door for operators: ``flask users …``, ``flask domains …``, ``flask worker``, ``flask spec``."""

from flask import Flask

from app.cli import domains, spec, users, worker


def init_app(app: Flask) -> None:
    for command in (users.group, domains.group, worker.command, spec.command):
        app.cli.add_command(command)
