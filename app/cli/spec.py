"""``flask spec``: the specification, as committed in `openapi.json`."""

import json

import click
from flask import current_app
from flask.cli import with_appcontext


@click.command("spec")
@with_appcontext
def command() -> None:
    """Print the OpenAPI document."""
    click.echo(
        json.dumps(current_app.extensions["openapi"]["v1"], indent=2, sort_keys=True, ensure_ascii=False)
    )
