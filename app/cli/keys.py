"""``flask keys``: the key ring from the command line. Shows names and times, never a key."""

import click
from flask import current_app

from app import clock
from app.accounts import signing_keys
from app.accounts.signing_keys import Key
from app.cli.operators import OperatorGroup, committed

group = OperatorGroup("keys", help="Keys that sign tokens.")


@group.command("list")
def list_keys() -> None:
    """List the keys: name, algorithm, and what each is still good for."""
    ring = signing_keys.ring()
    signer = ring.signer(current_app.config["JWT_ALGORITHM"], clock.now())
    for key in ring.keys.values():
        click.echo(f"{key.kid}  {key.algorithm:5}  {_use(key, key is signer)}")
    for kid in ring.unreadable:
        click.echo(f"{kid}  cannot be opened: JWT_SECRET was changed since; its tokens are refused")


@group.command("rotate")
def rotate() -> None:
    """Make a new key; the present one verifies until the last token signed by it has expired."""
    with committed():
        key = signing_keys.make()
    click.echo(f"{key.kid} ({key.algorithm}) signs in a few seconds.")


@group.command("revoke")
@click.argument("kid")
def revoke(kid: str) -> None:
    """Let a key verify nothing any more: whoever holds a token of it signs in again."""
    with committed():
        signing_keys.revoke(kid)
    click.echo(f"{kid} is revoked; each process knows within two seconds.")


def _use(key: Key, signs: bool) -> str:
    if signs:
        return "signs"
    if key.not_after is None:
        return "begins to sign in a few seconds"
    if not key.is_good():
        return "expired"
    return f"verifies until {key.not_after:%Y-%m-%dT%H:%M:%SZ}"
