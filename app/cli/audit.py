"""``flask audit``: proof that the audit log is what was recorded."""

import click

from app.audit import sealing, trail
from app.audit.verifying import verify
from app.cli.operators import OperatorGroup
from app.extensions import db

group = OperatorGroup("audit", help="The audit log and its seals.")


@group.command("verify")
@click.option("--expect", default="", help="A head told before, which must still be in the chain.")
@click.pass_context
def verify_command(context: click.Context, expect: str) -> None:
    """Check the seal of every event; exits 1 when one was changed, removed, inserted or moved.

    Keep the head that it prints elsewhere: with --expect it also tells whether the chain was cut off since.
    """
    verdict = verify(expect)
    click.echo(
        f"{verdict.sealed} events sealed, {verdict.unsealed} waiting for their seals: "
        f"{verdict.wrong or 'no'} faults."
    )
    for fault in verdict.faults:
        click.echo(fault)
    click.echo(f"Head: {verdict.head} (seal {verdict.seq})")
    if verdict.wrong:
        context.exit(1)


@group.command("reseal")
@click.confirmation_option(prompt="What was changed until now can no longer be found then. Go on?")
def reseal() -> None:
    """Begin a new chain over all that is stored: after SECRET_KEY was changed, or a fault was looked into."""
    sealing.reseal()
    trail.record("audit.resealed", None, owner=None)
    db.session.commit()
    click.echo("The worker seals all events anew.")
