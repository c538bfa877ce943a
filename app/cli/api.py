"""``flask api``: what an operator asks about the API's use."""

from collections.abc import Callable
from datetime import timedelta
from itertools import groupby
from typing import Any

import click
from flask import current_app

from app import clock
from app.accounts import uses
from app.cli.operators import OperatorGroup

group = OperatorGroup("api", help="The API and its callers.")


@group.command("deprecated-uses")
@click.option(
    "--days", type=click.IntRange(1, uses.KEPT.days), default=30, show_default=True, help="How far back."
)
def deprecated_uses(days: int) -> None:
    """Tell who still uses each deprecated call: account, times, when last (UTC)."""
    sunsets = _sunsets()
    found = uses.since((clock.now() - timedelta(days=days)).date())
    by_operation = {name: list(group) for name, group in groupby(found, key=lambda use: use.operation)}
    if not sunsets:
        click.echo("No call is deprecated.")
    for operation, sunset in sunsets.items():
        used = by_operation.get(operation, [])
        total = sum(use.uses for use in used)
        click.echo(f"{operation}, sunset {sunset}: {total} uses by {len(used)} callers in {days} days")
        for use in used:
            click.echo(f"  {use.caller}  {use.uses}  {use.last_at:%Y-%m-%dT%H:%M:%SZ}")


def _sunsets() -> dict[str, str]:
    """The sunset of each deprecated call of any version."""
    documents: dict[str, Callable[[], dict[str, Any]]] = current_app.extensions["openapi"]
    return {
        f"{method.upper()} {path}": operation["x-sunset"]
        for document in documents.values()
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if method != "parameters" and operation.get("deprecated")
    }
