"""``flask domains``: further hosts for short links."""

import click

from app.cli.operators import OperatorGroup, committed
from app.links import domains

group = OperatorGroup("domains", help="Hosts that short links live on.")


@group.command("add")
@click.argument("host")
def add(host: str) -> None:
    """Let links be made on HOST, beside PUBLIC_URL's."""
    with committed():
        domain = domains.add(host)
    click.echo(f"Links can now be made on {domain.host}.")
