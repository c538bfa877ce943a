"""``flask spec``: the specification, as committed in `openapi.json`."""

import json

import click
from flask import current_app
from flask.cli import with_appcontext


@click.command("spec")
@with_appcontext
def command() -> None:
    """Print the OpenAPI document."""
    document = current_app.extensions["openapi"]["v1"]()
    click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
