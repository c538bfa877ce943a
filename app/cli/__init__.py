"""The door for operators: ``flask users | domains | clicks …``, ``flask worker``, ``flask spec``."""

from flask import Flask

from app.cli import clicks, domains, spec, users, worker


def init_app(app: Flask) -> None:
    for command in (users.group, domains.group, clicks.group, worker.command, spec.command):
        app.cli.add_command(command)
