"""``flask users``: accounts from the command line."""

import click

from app.accounts import administration, factors, users
from app.cli.operators import OperatorGroup, committed

group = OperatorGroup("users", help="Accounts.")


@group.command("create-admin")
@click.option("--email", prompt="E-mail")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, envvar="ADMIN_PASSWORD")
def create_admin(email: str, password: str) -> None:
    """Create the first administrator; refuses a weak password."""
    with committed():
        user = users.create(email, password, role="admin")
    click.echo(f"{user.email} is an administrator ({user.public_id}).")


@group.command("reset-factors")
@click.argument("email")
def reset_factors(email: str) -> None:
    """Remove the one-time codes and passkeys of EMAIL, who lost them, and end the sessions.

    The password alone signs in afterwards: make sure first that it is really the owner who asks.
    """
    with committed():
        user = factors.reset(email)
    click.echo(f"{user} has no second factor and no passkey now, and is signed out everywhere.")


@group.command("set-role")
@click.argument("email")
@click.argument("role", type=click.Choice(administration.ROLES))
def set_role(email: str, role: str) -> None:
    """Give the account of EMAIL another ROLE; there has to be an admin left."""
    _change(email, role=role)


@group.command("disable")
@click.argument("email")
def disable(email: str) -> None:
    """Sign EMAIL out everywhere, and let nobody sign in there; the links stay as they are."""
    _change(email, status="disabled")


@group.command("enable")
@click.argument("email")
def enable(email: str) -> None:
    """Let EMAIL sign in again."""
    _change(email, status="active")


def _change(email: str, **changes: str) -> None:
    with committed():
        user = administration.change(users.by_email(email), changes)
    click.echo(f"{user.email} is {user.status}, as {user.role} ({user.public_id}).")
