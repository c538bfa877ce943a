"""The settings: read from the environment once, typed, checked at start; the README's table lists them all.

A bad value stops the process with a `BadSetting` that names the variable. `.env` in the project root is read
too; what is set in the environment wins.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values
from limits import parse_many
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

ROOT = Path(__file__).resolve().parent
MINIMUM_SECRET = 32  # characters; RFC 7518 §3.2 asks for a key as long as the hash, 256 bits
MINIMUM_ROUNDS = 600_000  # PBKDF2-SHA256, OWASP Password Storage Cheat Sheet
RESERVED_PREFIXES = {"api", "docs", "healthz", "readyz", "metrics", "robots.txt", ".well-known", "account"}
CORS_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "If-Match",
    "If-None-Match",
    "Idempotency-Key",
    "X-API-Key",
    "X-CSRF-Token",
    "X-Request-ID",
)
CORS_RESPONSE_HEADERS = (
    "ETag",
    "Location",
    "Link",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-ID",
    "X-Error-Code",
    "X-Error-Message",
    "Idempotency-Replayed",
    "Deprecation",
    "Sunset",
)
LONGEST_ISSUER = 255  # characters, as the database keeps it
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LONGEST_WINDOW = 366 * 86_400  # seconds of a rate
_ADDRESS = r"[\w.!#$%&'*+/=?^{|}~-]+@[\w.-]+"
_STARTTLS = {"starttls=on": True, "starttls=off": False}
PLACEHOLDERS = ("change", "secret", "default", "example", "password")


class BadSetting(Exception):
    """A variable has a value that Slugline cannot start with; the message names the variable."""


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
        """A folder that is there or can be made: nothing on the way to it is a file."""
        path = _absolute(self.text(name, default))
        if not next(found for found in (path, *path.parents) if found.exists()).is_dir():
            raise BadSetting(f"{name} must be the path of a folder")
        return path

    def file(self, name: str) -> Path | None:
        """A file to be written; None where it is not set. Whoever writes it looks whether its folder is there: not
        every process has it."""
        if not self.text(name, ""):
            return None
        path = _absolute(self.text(name))
        if path.is_dir():
            raise BadSetting(f"{name} must be the path of a file")
        return path

    def origin(self, name: str, default: str | None = None) -> str:
        value = self.text(name, default).rstrip("/")
        if not _is_origin(value):
            raise BadSetting(f"{name} must be scheme and host, such as https://go.example.org")
        return value

    def origins(self, name: str) -> list[str]:
        """Exact origins only: a wildcard beside credentials would open every account to every page."""
        values = [word.rstrip("/") for word in self.words(name)]
        if not all(_is_origin(value) for value in values):
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


def is_provider_url(value: str, *, loopback: bool) -> bool:
    """Whether it is a plain https URL without user and fragment, or where `loopback` says so one of this machine."""
    if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+(/[!-~]*|\?[!-~]*)?", value) or set(value) & {
        "#",
        "\\",
    }:
        return False
    try:
        parts = urlsplit(value)
        good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return good and (parts.scheme == "https" or (loopback and parts.hostname in LOOPBACK))


def _is_origin(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port_is_good = parts.port != 0  # `.port` raises ValueError on one out of range
    except ValueError:
        return False
    plain = re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", value)
    return bool(plain and parts.hostname and port_is_good)


def _is_below(origin: str, domain: str) -> bool:
    """Whether the origin's host is the domain or one below it."""
    return f".{urlsplit(origin).hostname}".endswith(f".{domain}")


def _is_redis_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("redis", "rediss", "redis+unix") and parts.port != 0
    except ValueError:
        return False


def _is_smtp_url(value: str) -> bool:
    """Whether it names a mail server that gets no password in clear."""
    try:
        parts = urlsplit(value)
        whole = bool(parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0)
    except ValueError:
        return False
    plain = parts.path in ("", "/") and not parts.fragment and parts.query in ("", *_STARTTLS)
    return whole and plain and not (_is_in_clear(value) and parts.username)


def _is_in_clear(url: str) -> bool:
    """Whether mail to this server travels to another machine unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "smtp" and not _wants_starttls(url) and not _is_loopback(parts.hostname)


def _wants_starttls(url: str) -> bool:
    """Required but on the way to oneself, and where the URL says otherwise."""
    parts = urlsplit(url)
    said = _STARTTLS.get(parts.query)
    return parts.scheme == "smtp" and (not _is_loopback(parts.hostname) if said is None else said)


def _is_loopback(host: str | None) -> bool:
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.[0-9]{1,3}){3}", host or ""))


def _is_bind(value: str) -> bool:
    """Whether Gunicorn can listen on it: host and port, a unix socket, or a descriptor handed down."""
    return _is_address(value) or bool(re.fullmatch(r"unix:\S+|fd://[0-9]+", value))


def _is_address(value: str) -> bool:
    port = value.rpartition(":")[2]
    return bool(re.fullmatch(r"[A-Za-z0-9.\-\[\]:]*:[0-9]{1,5}", value) and int(port) < 2**16)


def _is_mmdb(path: Path) -> bool:
    """Whether the file ends as MaxMind's format says: a marker within the last 128 KiB."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 128 * 1024))
        return b"\xab\xcd\xefMaxMind.com" in file.read()


class Config:
    """What every environment shares. Subclasses differ in the class attributes only."""

    NAME = "development"
    DEBUG = False
    TESTING = False
    SECURE = False  # whether HTTPS is expected: FORCE_HTTPS defaults to it

    # Flask and its extensions
    MAX_CONTENT_LENGTH = 256 * 1024
    MAX_FORM_MEMORY_SIZE = 16 * 1024
    SQLALCHEMY_TRACK_MODIFICATIONS = False
    JWT_ACCESS_TOKEN_EXPIRES = timedelta(minutes=15)
    JWT_REFRESH_TOKEN_EXPIRES = timedelta(days=7)
    JWT_ENCODE_ISSUER = JWT_ENCODE_AUDIENCE = "slugline"
    RATELIMIT_HEADERS_ENABLED = False
    CORS_RESOURCES = r"/api/.*"
    CORS_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    CORS_ALLOW_HEADERS = CORS_REQUEST_HEADERS
    CORS_EXPOSE_HEADERS = CORS_RESPONSE_HEADERS
    CORS_MAX_AGE = 86_400
    CORS_SUPPORTS_CREDENTIALS = True
    CORS_VARY_HEADER = False  # `app.web.headers` sends it always: an answer without an Origin varies as well

    def __init__(self, values: Mapping[str, str]) -> None:
        env = Environment(values)
        self._secrets(env)
        self._storage(env)
        self._visitors(env)
        self._clicks(env)
        self._web(env)
        self._accounts(env)
        self._audit(env)
        self.OIDC_PROVIDERS = {name: self._provider(env, name) for name in env.words("OIDC_PROVIDERS")}
        self._limits(env)
        self._mail(env)
        self._refuse_twins()
        self.WARNINGS = [warning for applies, warning in self._doubts() if applies]

    def _secrets(self, env: Environment) -> None:
        self.SECRET_KEY = env.secret("SECRET_KEY")
        self.JWT_SECRET_KEY = env.secret("JWT_SECRET")
        if self.SECRET_KEY == self.JWT_SECRET_KEY:
            raise BadSetting("JWT_SECRET must differ from SECRET_KEY")
        self.JWT_ALGORITHM = env.choice("JWT_ALGORITHM", "HS256", ("HS256", "RS256", "EdDSA"))

    def _storage(self, env: Environment) -> None:
        self.DATA_DIR = env.folder("DATA_DIR", "var")
        self.SPOOL_DIR = env.folder("SPOOL_DIR", str(self.DATA_DIR / "spool"))
        self.AVATAR_DIR = env.folder("AVATAR_DIR", str(self.DATA_DIR / "avatars"))
        self.SQLALCHEMY_DATABASE_URI = _database_url(env, self.DATA_DIR)
        self.REDIS_URL = env.text("REDIS_URL", "")
        if self.REDIS_URL and not _is_redis_url(self.REDIS_URL):
            raise BadSetting(
                "REDIS_URL must be a URL such as redis://host:6379/0, rediss:// or redis+unix://"
            )
        self.RATELIMIT_STORAGE_URI = self.REDIS_URL or "memory://"
        # A hung Redis must not hang the requests: without these a call waits for more than 6 s.
        timeouts = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25} if self.REDIS_URL else {}
        self.RATELIMIT_STORAGE_OPTIONS = timeouts
        self.CACHE_BYTES = env.integer("CACHE_BYTES", 8 * 1024 * 1024, 0, 2**40)

    def _visitors(self, env: Environment) -> None:
        self.PUBLIC_URL = env.origin("PUBLIC_URL", None if self.SECURE else "http://127.0.0.1:8000")
        self.SHORT_PREFIX = _short_prefix(env.text("SHORT_PREFIX", "s"))
        self.ALLOW_PRIVATE_TARGETS = env.flag("ALLOW_PRIVATE_TARGETS", True)
        self.RESTORE_DAYS = env.integer("RESTORE_DAYS", 30, 0, 3650)

    def _clicks(self, env: Environment) -> None:
        self.SPOOL_MAX_BYTES = env.integer("SPOOL_MAX_BYTES", 64 * 1024 * 1024, 4096, 2**40)
        self.SPOOL_LIMIT_BYTES = env.integer("SPOOL_LIMIT_BYTES", 10 * 1024**3, 0, 2**50)
        self.SPOOL_FSYNC = env.choice("SPOOL_FSYNC", "never", ("never", "interval", "always"))
        self.CLICKS_KEPT_DAYS = env.integer("CLICKS_KEPT_DAYS", 365, 0, 36_500)
        named = env.text("GEOIP_DATABASE", "")
        self.GEOIP_DATABASE = str(_absolute(named)) if named else ""
        if named and not _is_mmdb(Path(self.GEOIP_DATABASE)):
            raise BadSetting("GEOIP_DATABASE must be the path of an .mmdb file")

    def _web(self, env: Environment) -> None:
        # As patterns of our own: flask-cors takes a string with brackets (an IPv6 address) for one, unanchored.
        self.CORS_ORIGINS = [
            re.compile(re.escape(origin) + r"\Z", re.IGNORECASE) for origin in env.origins("CORS_ORIGINS")
        ]
        self.PASSKEY_DOMAIN = env.text("PASSKEY_DOMAIN", urlsplit(self.PUBLIC_URL).hostname).lower()
        own = [self.PUBLIC_URL, *env.origins("CORS_ORIGINS")]
        self.PASSKEY_ORIGINS = [origin.lower() for origin in own if _is_below(origin, self.PASSKEY_DOMAIN)]
        if self.PUBLIC_URL.lower() not in self.PASSKEY_ORIGINS:
            raise BadSetting("PASSKEY_DOMAIN must be the host of PUBLIC_URL, or a domain above it")
        self.REQUIRE_PRECONDITIONS = env.flag("REQUIRE_PRECONDITIONS", False)
        self.PROXY_HOPS = env.integer("PROXY_HOPS", 0, 0, 10)
        self.FORCE_HTTPS = env.flag("FORCE_HTTPS", self.SECURE)
        if self.FORCE_HTTPS and self.PUBLIC_URL.startswith("http://"):
            raise BadSetting("PUBLIC_URL must be https:// while FORCE_HTTPS is on")
        self.WEB_BIND = env.text("WEB_BIND", "127.0.0.1:8000")
        if not _is_bind(self.WEB_BIND):
            raise BadSetting("WEB_BIND must be host:port, unix:/path or fd://number")
        self.WEB_WORKERS = env.integer("WEB_WORKERS", 1, 1, 256)
        self.WEB_THREADS = env.integer("WEB_THREADS", 8, 1, 256)
        self.LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
        self.METRICS_TOKEN = env.text("METRICS_TOKEN", "")
        self.WORKER_METRICS_BIND = env.text("WORKER_METRICS_BIND", "")
        if self.WORKER_METRICS_BIND and not _is_address(self.WORKER_METRICS_BIND):
            raise BadSetting("WORKER_METRICS_BIND must be host:port")
        self.SUNSET_ENFORCED = env.flag("SUNSET_ENFORCED", False)
        self.SECURITY_CONTACT = env.text("SECURITY_CONTACT", "")
        if not re.fullmatch(r"((mailto:|https://)[!-~]+)?", self.SECURITY_CONTACT):
            raise BadSetting("SECURITY_CONTACT must begin with mailto: or https://")

    def _accounts(self, env: Environment) -> None:
        self.REGISTRATION = env.choice("REGISTRATION", "open", ("open", "domains", "closed"))
        self.REGISTRATION_DOMAINS = env.domains("REGISTRATION_DOMAINS")
        if self.REGISTRATION == "domains" and not self.REGISTRATION_DOMAINS:
            raise BadSetting("REGISTRATION_DOMAINS must list a domain while REGISTRATION is domains")
        if not all(re.fullmatch(r"[\w.-]+", domain) for domain in self.REGISTRATION_DOMAINS):
            raise BadSetting("REGISTRATION_DOMAINS must list domains such as example.org")
        self.REQUIRE_SECOND_FACTOR = env.choice("REQUIRE_SECOND_FACTOR", "none", ("none", "admins"))
        self.PASSWORD_RULES = env.choice("PASSWORD_RULES", "length", ("length", "composition"))
        fewest = 1 if self.TESTING else MINIMUM_ROUNDS
        self.PASSWORD_ROUNDS = env.integer("PASSWORD_ROUNDS", max(fewest, 1000), fewest, 10_000_000)

    def _audit(self, env: Environment) -> None:
        self.AUDIT_KEPT_DAYS = env.integer("AUDIT_KEPT_DAYS", 400, 0, 36_500)
        self.SECURITY_LOG = env.file("SECURITY_LOG")

    def _provider(self, env: Environment, name: str) -> OIDCProvider:
        if not re.fullmatch(r"[a-z][a-z0-9]{0,31}", name):
            raise BadSetting("OIDC_PROVIDERS must list names of small letters and digits, such as google")
        prefix = f"OIDC_{name.upper()}"
        return OIDCProvider(
            name,
            issuer=env.issuer(f"{prefix}_ISSUER", loopback=not self.SECURE),
            client_id=env.text(f"{prefix}_CLIENT_ID"),
            client_secret=env.text(f"{prefix}_CLIENT_SECRET"),
            trust_email=env.flag(f"{prefix}_TRUST_EMAIL", False),
            domains=tuple(env.domains(f"{prefix}_DOMAINS")),
        )

    def _limits(self, env: Environment) -> None:
        self.RATELIMIT_ENABLED = env.flag("RATELIMIT_ENABLED", not self.TESTING)
        self.LIMIT_ANONYMOUS = env.limits("LIMIT_ANONYMOUS", "60/minute;2000/day")
        self.LIMIT_USER = env.limits("LIMIT_USER", "300/minute;10000/day")
        self.LIMIT_MANAGER = env.limits("LIMIT_MANAGER", "1200/minute;40000/day")
        self.LIMIT_ADMIN = env.limits("LIMIT_ADMIN", "none")
        self.LIMIT_CREATE = env.limits("LIMIT_CREATE", "30/minute")
        self.LIMIT_REGISTER = env.limits("LIMIT_REGISTER", "20/minute")
        self.LIMIT_AVATARS = env.limits("LIMIT_AVATARS", "10/minute")
        self.LIMIT_SEARCH = env.limits("LIMIT_SEARCH", "60/minute")
        self.LIMIT_EXPORT = env.limits("LIMIT_EXPORT", "6/hour")
        self.LIMIT_MISSES = env.limits("LIMIT_MISSES", "60/minute")
        self.GUESSES_LOGIN_IP = env.rate("GUESSES_LOGIN_IP", "5/minute")
        self.GUESSES_ACCOUNT = env.rate("GUESSES_ACCOUNT", "10/5minutes")
        self.GUESSES_ACCOUNT_DAY = env.rate("GUESSES_ACCOUNT_DAY", "100/day")
        self.GUESSES_LINK = env.rate("GUESSES_LINK", "10/10minutes")
        self.GUESSES_ONE_TIME = env.rate("GUESSES_ONE_TIME", "10/minute")
        self.MAILS_ADDRESS = env.rate("MAILS_ADDRESS", "3/hour")
        self.MAILS_IP = env.rate("MAILS_IP", "20/hour")
        self.MAILS_NOTICES = env.rate("MAILS_NOTICES", "10/hour")

    def _mail(self, env: Environment) -> None:
        self.SMTP_URL = env.text("SMTP_URL", "")
        if self.SMTP_URL and not _is_smtp_url(self.SMTP_URL):
            raise BadSetting("SMTP_URL must be a URL such as smtp://user:password@host:587 or smtps://host")
        self.SMTP_STARTTLS = _wants_starttls(self.SMTP_URL)
        self.MAIL_FROM = env.text("MAIL_FROM", None if self.SMTP_URL else "Slugline <slugline@localhost>")
        if not re.fullmatch(rf"[\w .'-]+ <{_ADDRESS}>|{_ADDRESS}", self.MAIL_FROM, re.ASCII):
            raise BadSetting("MAIL_FROM must be an address such as Slugline <slugline@example.org>")
        # In production the console is a log, where no token may stand.
        self.MAIL_ON = bool(self.SMTP_URL) or not self.SECURE
        self.EMAIL_VERIFICATION = env.flag("EMAIL_VERIFICATION", False)
        if self.EMAIL_VERIFICATION and not self.MAIL_ON:
            raise BadSetting("SMTP_URL must be set while EMAIL_VERIFICATION is on")
        self.ACCOUNT_URL = env.text("ACCOUNT_URL", f"{self.PUBLIC_URL}/account").rstrip("/")
        if not re.fullmatch(r"https?://[!\"$-;=@-~]+", self.ACCOUNT_URL):
            raise BadSetting("ACCOUNT_URL must be a URL such as https://app.example.org/account")
        if self.FORCE_HTTPS and self.ACCOUNT_URL.startswith("http://"):
            raise BadSetting("ACCOUNT_URL must be https:// while FORCE_HTTPS is on")

    def _refuse_twins(self) -> None:
        known = {(provider.issuer, provider.client_id) for provider in self.OIDC_PROVIDERS.values()}
        if len(known) < len(self.OIDC_PROVIDERS):
            raise BadSetting("OIDC_PROVIDERS must not list two providers of one issuer and client id")

    def _doubts(self) -> Iterator[tuple[bool, str]]:
        """What may be meant so and is mostly a mistake: whether it applies, and what is said of it at start and in
        `/readyz`."""
        yield (
            self.SECURE and self.PUBLIC_URL.startswith("http://"),
            "PUBLIC_URL is http: passwords and tokens travel in clear, cookies without Secure.",
        )
        yield (
            self.REGISTRATION == "domains" and not self.EMAIL_VERIFICATION,
            "REGISTRATION=domains without EMAIL_VERIFICATION: anybody can register an address of these domains.",
        )
        yield (
            _is_in_clear(self.SMTP_URL),
            "SMTP_URL has starttls=off: mails with tokens travel to another machine in clear.",
        )

    def flask(self) -> dict[str, Any]:
        """The settings as Flask wants them: every upper-case name."""
        names = [name for name in dir(self) if name.isupper()]
        return {name: getattr(self, name) for name in names}


class Development(Config):
    """For a person's own machine: HTTP, secrets from `.env`."""


class Testing(Config):
    """For the tests: few password rounds, limits off unless a test switches them on."""

    NAME = "testing"
    TESTING = True


class Production(Config):
    """For the public: HTTPS and a public address are required, debugging is refused."""

    NAME = "production"
    SECURE = True

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        if Environment(values).flag("FLASK_DEBUG", False):
            raise BadSetting("FLASK_DEBUG must be off in production")
        bounds = (self.GUESSES_LOGIN_IP, self.GUESSES_ACCOUNT, self.GUESSES_ACCOUNT_DAY)
        if not self.RATELIMIT_ENABLED and not any(bounds):
            raise BadSetting("GUESSES_ACCOUNT must be a rate in production while RATELIMIT_ENABLED is off")


_CONFIGS: dict[str, type[Config]] = {cls.NAME: cls for cls in (Development, Testing, Production)}


def load(values: Mapping[str, str] | None = None) -> Config:
    """Read the settings from `values`, by default from `.env` and the environment.

    Production is what an unset FLASK_CONFIG means, so that forgetting it is loud, not unsafe.
    Raises BadSetting, naming the variable.
    """
    if values is None:
        dotenv = {name: value for name, value in dotenv_values(ROOT / ".env").items() if value is not None}
        values = {**dotenv, **os.environ}
    name = Environment(values).choice("FLASK_CONFIG", "production", tuple(_CONFIGS))
    return _CONFIGS[name](values)


def _absolute(path: str) -> Path:
    return (ROOT / path).resolve()


def _database_url(env: Environment, data_dir: Path) -> str:
    value = env.text("DATABASE_URL", f"sqlite:///{data_dir / 'slugline.db'}")
    try:
        url = make_url(value)
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise BadSetting("DATABASE_URL must be a URL such as postgresql://user@host/name") from error
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    if url.drivername != "sqlite" or not url.database or url.database == ":memory:":
        raise BadSetting("DATABASE_URL must name a PostgreSQL database or a SQLite file")
    return url.set(database=str(_absolute(url.database))).render_as_string(hide_password=False)


def _short_prefix(value: str) -> str:
    prefix = "" if value == "/" else value.strip("/")
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", prefix) or prefix.lower() in RESERVED_PREFIXES:
        raise BadSetting("SHORT_PREFIX must be one path segment that no other page has, or / for none")
    return prefix
