"""``flask users``: accounts from the command line."""

import click
from flask.cli import AppGroup

from app.accounts import users
from app.errors import AppError
from app.extensions import db

group = AppGroup("users", help="Accounts.")


@group.command("create-admin")
@click.option("--email", prompt="E-mail")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, envvar="ADMIN_PASSWORD")
def create_admin(email: str, password: str) -> None:
    """Create the first administrator; refuses a weak password."""
    try:
        user = users.create(email, password, role="admin")
        db.session.commit()
    except AppError as error:
        raise click.ClickException(error.message) from None
    click.echo(f"{user.email} is an administrator ({user.public_id}).")
