"""OpenID providers, as the settings describe them."""

import re
from dataclasses import dataclass, field

from settings.environment import BadSetting, Environment


@dataclass(frozen=True)
class OIDCProvider:
    """An OpenID provider that people may sign in at (the settings `OIDC_<NAME>_...`).

    `trust_email`: whether an address that it calls verified counts as proven here. `domains`: the only ones it is
    believed about; none for all.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    trust_email: bool = False
    domains: tuple[str, ...] = ()


def provider(env: Environment, name: str, *, loopback: bool) -> OIDCProvider:
    """The provider of this name; `loopback`: whether it may be one of this machine without TLS. Raises BadSetting."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,31}", name):
        raise BadSetting("OIDC_PROVIDERS must list names of small letters and digits, such as google")
    prefix = f"OIDC_{name.upper()}"
    return OIDCProvider(
        name,
        issuer=env.issuer(f"{prefix}_ISSUER", loopback=loopback),
        client_id=env.text(f"{prefix}_CLIENT_ID"),
        client_secret=env.text(f"{prefix}_CLIENT_SECRET"),
        trust_email=env.flag(f"{prefix}_TRUST_EMAIL", False),
        domains=tuple(env.domains(f"{prefix}_DOMAINS")),
    )
