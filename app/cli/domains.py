"""``flask domains``: further hosts for short links."""

import click

from app.cli.operators import OperatorGroup
from app.errors import AppError
from app.extensions import db
from app.links import domains

group = OperatorGroup("domains", help="Hosts that short links live on.")


@group.command("add")
@click.argument("host")
def add(host: str) -> None:
    """Let links be made on HOST, beside PUBLIC_URL's."""
    try:
        domain = domains.add(host)
        db.session.commit()
    except AppError as error:
        raise click.ClickException(error.message) from None
    click.echo(f"Links can now be made on {domain.host}.")
