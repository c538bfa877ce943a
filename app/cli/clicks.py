"""``flask clicks``: proof that what is shown of clicks is what was stored."""

from datetime import datetime

import click

from app.cli.operators import OperatorGroup
from app.clicks.verifying import verify

group = OperatorGroup("clicks", help="Clicks and their roll-ups.")


@group.command("verify")
@click.option(
    "--from",
    "since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First UTC day to check; needed where CLICKS_KEPT_DAYS was less before than it is now.",
)
@click.pass_context
def verify_command(context: click.Context, since: datetime | None) -> None:
    """Recount the raw clicks and compare the roll-ups with them; exits 1 when they differ."""
    verdict = verify(since.date() if since else None)
    click.echo(
        f"{verdict.clicks} clicks since {verdict.since}, on {verdict.days} days and {verdict.links} links, "
        f"and all accounts: {verdict.wrong or 'no'} wrong rows."
    )
    for found in verdict.differences:
        click.echo(f"{found.whose}, {found.when}: {found.what} should be {found.counted}, is {found.kept}")
    if verdict.wrong:
        context.exit(1)
