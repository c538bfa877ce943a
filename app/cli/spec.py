"""``flask spec``: the specification, as committed in `openapi.json`."""

import json

import click
from flask.cli import with_appcontext

from app import docs


@click.command("spec")
@with_appcontext
def command() -> None:
    """Print the OpenAPI document."""
    click.echo(json.dumps(docs.specification(), indent=2, sort_keys=True, ensure_ascii=False))
