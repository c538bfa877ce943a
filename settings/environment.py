"""The environment, read by type: each reader raises `BadSetting` on a bad value and names the variable."""

import re
from collections.abc import Mapping
from pathlib import Path

from limits import parse_many
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from settings.forms import is_folder, is_libpq_url, is_origin, is_provider_url, is_sqlite_url

ROOT = Path(__file__).resolve().parent.parent
MINIMUM_SECRET = 32  # characters; RFC 7518 §3.2 asks for a key as long as the hash, 256 bits
LONGEST_ISSUER = 255  # characters, as the database keeps it
LONGEST_WINDOW = 366 * 86_400  # seconds of a rate
PLACEHOLDERS = ("change", "secret", "default", "example", "password")
RESERVED_PREFIXES = {"api", "docs", "healthz", "readyz", "metrics", "robots.txt", ".well-known", "account"}


class BadSetting(Exception):
    """A variable has a value that Slugline cannot start with; the message names the variable."""


class Environment:
    """Typed readers over the variables. Each raises `BadSetting` on a bad value and names the variable."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str, default: str | None = None) -> str:
        value = self._values.get(name, "").strip() or default
        if value is None:
            raise BadSetting(f"{name} is not set")
        if not value.isprintable():  # control characters, and bytes that are no UTF-8
            raise BadSetting(f"{name} must be printable text")
        return value

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise BadSetting(f"{name} must be one of {', '.join(choices)}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
            raise BadSetting(f"{name} must be true or false")
        return value in ("true", "1", "yes", "on")

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        value = self.text(name, str(default))
        if not re.fullmatch(r"-?[0-9]{1,18}", value) or not least <= int(value) <= most:
            raise BadSetting(f"{name} must be a whole number from {least} to {most}")
        return int(value)

    def words(self, name: str) -> list[str]:
        """A list separated by commas or spaces."""
        return [word for word in re.split(r"[,\s]+", self._values.get(name, "")) if word]

    def secret(self, name: str) -> str:
        value = self.text(name)
        if len(value) < MINIMUM_SECRET:
            raise BadSetting(f"{name} must have at least {MINIMUM_SECRET} characters")
        if len(set(value)) < 8 or any(word in value.lower() for word in PLACEHOLDERS):
            raise BadSetting(f"{name} is a placeholder; make one with: openssl rand -hex 32")
        return value

    def limits(self, name: str, default: str) -> str:
        """Rates such as ``60/minute;2000/day``, or ``none``."""
        value = self.text(name, default)
        if value == "none":
            return ""
        try:
            good = all(
                rate.amount >= 1 and 1 <= rate.get_expiry() <= LONGEST_WINDOW for rate in parse_many(value)
            )
        except ValueError:
            good = False
        if not good:
            raise BadSetting(f"{name} must be rates such as 60/minute;2000/day, or none")
        return value

    def rate(self, name: str, default: str) -> str:
        """One rate such as ``5/minute``, or ``none``: a guess is counted in one window."""
        value = self.limits(name, default)
        if value and len(parse_many(value)) > 1:
            raise BadSetting(f"{name} must be one rate such as 5/minute, or none")
        return value

    def folder(self, name: str, default: str) -> Path:
        """A folder that is there or can be made."""
        path = absolute(self.text(name, default))
        if not is_folder(path):
            raise BadSetting(f"{name} must be the path of a folder that is there or can be made")
        return path

    def file(self, name: str) -> Path | None:
        """A file to be written; None where it is not set. Whoever writes it looks whether its folder is there: not
        every process has it."""
        if not self.text(name, ""):
            return None
        path = absolute(self.text(name))
        if path.is_dir():
            raise BadSetting(f"{name} must be the path of a file")
        return path

    def origin(self, name: str, default: str | None = None) -> str:
        value = self.text(name, default).rstrip("/")
        if not is_origin(value):
            raise BadSetting(f"{name} must be scheme and host, such as https://go.example.org")
        return value

    def origins(self, name: str) -> list[str]:
        """Exact origins only: a wildcard beside credentials would open every account to every page."""
        values = [word.rstrip("/") for word in self.words(name)]
        if not all(is_origin(value) for value in values):
            raise BadSetting(f"{name} must list origins such as https://app.example.org, separated by commas")
        return values

    def domains(self, name: str) -> list[str]:
        values = [word.lower() for word in self.words(name)]
        if not all(re.fullmatch(r"[\w.-]+", value) for value in values):
            raise BadSetting(f"{name} must list domains such as example.org")
        return values

    def issuer(self, name: str, *, loopback: bool) -> str:
        """An issuer of OpenID Connect Discovery 1.0 §2: https, neither query nor fragment; kept as it is written,
        since it is compared as text. `loopback`: whether http to this machine passes."""
        value = self.text(name)
        if len(value) > LONGEST_ISSUER or not is_provider_url(value, loopback=loopback) or "?" in value:
            raise BadSetting(f"{name} must be an https URL such as https://accounts.example.org")
        return value


def absolute(path: str) -> Path:
    """The path, a relative one from the project's folder on, wherever the shell is."""
    return (ROOT / path).resolve()


def database_url(env: Environment, data_dir: Path) -> str:
    """DATABASE_URL as SQLAlchemy takes it, by default a SQLite file in `data_dir`. Opens no connection.

    Raises BadSetting, and not from what was raised before: that may show the password.
    """
    value = env.text("DATABASE_URL", f"sqlite:///{data_dir / 'slugline.db'}")
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise BadSetting("DATABASE_URL must be a URL such as postgresql://user@host/name") from None
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        url = url.set(drivername="postgresql+psycopg")
        if not is_libpq_url(url):
            raise BadSetting("DATABASE_URL has a port or an option that PostgreSQL does not know")
    elif url.drivername != "sqlite" or not url.database or url.database == ":memory:":
        raise BadSetting("DATABASE_URL must name a PostgreSQL database or a SQLite file")
    else:
        url = url.set(database=str(absolute(url.database)))
        if not is_sqlite_url(url):
            raise BadSetting(
                "DATABASE_URL must name a SQLite file that is there or can be made, with good options"
            )
    return url.render_as_string(hide_password=False)


def short_prefix(value: str) -> str:
    """The path segment before codes, "" for none. Raises BadSetting."""
    prefix = "" if value == "/" else value.strip("/")
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", prefix) or prefix.lower() in RESERVED_PREFIXES:
        raise BadSetting("SHORT_PREFIX must be one path segment that no other page has, or / for none")
    return prefix
