"""The settings: read from the environment once, typed, checked at start; the README's table lists them all.

A bad value stops the process with a `BadSetting` that names the variable. `.env` in the project root is read
too; what is set in the environment wins. `settings` has the readers.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values

from settings import forms
from settings.cors import CORS_REQUEST_HEADERS, CORS_RESPONSE_HEADERS
from settings.environment import ROOT, BadSetting, Environment, absolute, database_url, short_prefix
from settings.providers import provider

MINIMUM_ROUNDS = 600_000  # PBKDF2-SHA256, OWASP Password Storage Cheat Sheet
_ADDRESS = r"[\w.!#$%&'*+/=?^{|}~-]+@[\w.-]+"


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
        self.OIDC_PROVIDERS = {
            name: provider(env, name, loopback=not self.SECURE) for name in env.words("OIDC_PROVIDERS")
        }
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
        self.SQLALCHEMY_DATABASE_URI = database_url(env, self.DATA_DIR)
        self.REDIS_URL = env.text("REDIS_URL", "")
        if self.REDIS_URL and not forms.is_redis_url(self.REDIS_URL):
            raise BadSetting(
                "REDIS_URL must be a URL such as redis://host:6379/0, rediss:// or redis+unix://"
            )
        self.RATELIMIT_STORAGE_URI = self.REDIS_URL or "process://"
        # A hung Redis must not hang the requests: without these a call waits for more than 6 s.
        timeouts = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25} if self.REDIS_URL else {}
        self.RATELIMIT_STORAGE_OPTIONS = timeouts
        self.CACHE_BYTES = env.integer("CACHE_BYTES", 8 * 1024 * 1024, 0, 2**40)

    def _visitors(self, env: Environment) -> None:
        self.PUBLIC_URL = env.origin("PUBLIC_URL", None if self.SECURE else "http://127.0.0.1:8000")
        self.SHORT_PREFIX = short_prefix(env.text("SHORT_PREFIX", "s"))
        self.ALLOW_PRIVATE_TARGETS = env.flag("ALLOW_PRIVATE_TARGETS", True)
        self.RESTORE_DAYS = env.integer("RESTORE_DAYS", 30, 0, 3650)

    def _clicks(self, env: Environment) -> None:
        self.SPOOL_MAX_BYTES = env.integer("SPOOL_MAX_BYTES", 64 * 1024 * 1024, 4096, 2**40)
        self.SPOOL_LIMIT_BYTES = env.integer("SPOOL_LIMIT_BYTES", 10 * 1024**3, 0, 2**50)
        self.SPOOL_FSYNC = env.choice("SPOOL_FSYNC", "never", ("never", "interval", "always"))
        self.CLICKS_KEPT_DAYS = env.integer("CLICKS_KEPT_DAYS", 365, 0, 36_500)
        named = env.text("GEOIP_DATABASE", "")
        self.GEOIP_DATABASE = str(absolute(named)) if named else ""
        if named and not forms.is_mmdb(Path(self.GEOIP_DATABASE)):
            raise BadSetting("GEOIP_DATABASE must be the path of an .mmdb file")

    def _web(self, env: Environment) -> None:
        # As patterns of our own: flask-cors takes a string with brackets (an IPv6 address) for one, unanchored.
        self.CORS_ORIGINS = [
            re.compile(re.escape(origin) + r"\Z", re.IGNORECASE) for origin in env.origins("CORS_ORIGINS")
        ]
        self.PASSKEY_DOMAIN = env.text("PASSKEY_DOMAIN", urlsplit(self.PUBLIC_URL).hostname).lower()
        own = [self.PUBLIC_URL, *env.origins("CORS_ORIGINS")]
        self.PASSKEY_ORIGINS = [
            origin.lower() for origin in own if forms.is_below(origin, self.PASSKEY_DOMAIN)
        ]
        if self.PUBLIC_URL.lower() not in self.PASSKEY_ORIGINS:
            raise BadSetting("PASSKEY_DOMAIN must be the host of PUBLIC_URL, or a domain above it")
        self.REQUIRE_PRECONDITIONS = env.flag("REQUIRE_PRECONDITIONS", False)
        self.PROXY_HOPS = env.integer("PROXY_HOPS", 0, 0, 10)
        self.FORCE_HTTPS = env.flag("FORCE_HTTPS", self.SECURE)
        if self.FORCE_HTTPS and self.PUBLIC_URL.startswith("http://"):
            raise BadSetting("PUBLIC_URL must be https:// while FORCE_HTTPS is on")
        self.WEB_BIND = [bind.strip() for bind in env.text("WEB_BIND", "127.0.0.1:8000").split(",")]
        if not forms.are_binds(self.WEB_BIND):
            raise BadSetting(
                "WEB_BIND must be host:port and unix:/path, or fd://number alone, separated by commas"
            )
        self.WEB_WORKERS = env.integer("WEB_WORKERS", 1, 1, 256)
        self.WEB_THREADS = env.integer("WEB_THREADS", 8, 1, 256)
        self.LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
        self.METRICS_TOKEN = env.text("METRICS_TOKEN", "")
        self.WORKER_METRICS_BIND = env.text("WORKER_METRICS_BIND", "")
        if self.WORKER_METRICS_BIND and not forms.is_address(self.WORKER_METRICS_BIND):
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
        self.REQUIRE_SECOND_FACTOR = env.choice("REQUIRE_SECOND_FACTOR", "none", ("none", "admins"))
        self.SESSION_DAYS = env.integer("SESSION_DAYS", 90, 1, 3650)
        self.PASSWORD_RULES = env.choice("PASSWORD_RULES", "length", ("length", "composition"))
        fewest = 1 if self.TESTING else MINIMUM_ROUNDS
        self.PASSWORD_ROUNDS = env.integer("PASSWORD_ROUNDS", max(fewest, 1000), fewest, 10_000_000)

    def _audit(self, env: Environment) -> None:
        self.AUDIT_KEPT_DAYS = env.integer("AUDIT_KEPT_DAYS", 400, 0, 36_500)
        self.SECURITY_LOG = env.file("SECURITY_LOG")

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
        if self.SMTP_URL and not forms.is_smtp_url(self.SMTP_URL):
            raise BadSetting(
                "SMTP_URL must be a URL such as smtp://user:password@host:587 or smtps://host, in ASCII"
            )
        self.SMTP_STARTTLS = forms.wants_starttls(self.SMTP_URL)
        self.MAIL_FROM = env.text("MAIL_FROM", None if self.SMTP_URL else "Slugline <slugline@localhost>")
        if not re.fullmatch(rf"[\w .'-]+ <{_ADDRESS}>|{_ADDRESS}", self.MAIL_FROM, re.ASCII):
            raise BadSetting("MAIL_FROM must be an address such as Slugline <slugline@example.org>")
        # In production the console is a log, where no token may stand.
        self.MAIL_ON = bool(self.SMTP_URL) or not self.SECURE
        self.EMAIL_VERIFICATION = env.flag("EMAIL_VERIFICATION", False)
        if self.EMAIL_VERIFICATION and not self.MAIL_ON:
            raise BadSetting("SMTP_URL must be set while EMAIL_VERIFICATION is on")
        self.ACCOUNT_URL = self._page(env, "ACCOUNT_URL", "account").rstrip("/")
        self.SIGN_IN_URL = self._page(env, "SIGN_IN_URL", "docs")

    def _page(self, env: Environment, name: str, ours: str) -> str:
        """A page that people are led to: ours, or a frontend's."""
        url = env.text(name, f"{self.PUBLIC_URL}/{ours}")
        if not re.fullmatch(r"https?://[!\"$-;=@-~]+", url):
            raise BadSetting(f"{name} must be a URL such as https://app.example.org/{ours}")
        if self.FORCE_HTTPS and url.startswith("http://"):
            raise BadSetting(f"{name} must be https:// while FORCE_HTTPS is on")
        return url

    def _refuse_twins(self) -> None:
        known = {(one.issuer, one.client_id) for one in self.OIDC_PROVIDERS.values()}
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
            forms.is_in_clear(self.SMTP_URL),
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
