"""config.py and settings/: what is read from the environment, and what Slugline refuses to start with."""

import errno
import os
import shutil
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

import config
from app.clicks.syncing import Policy
from config import Config, load
from settings.environment import BadSetting
from tests.conftest import SECRETS

TESTING = {"FLASK_CONFIG": "testing", **SECRETS}
PRODUCTION = {"FLASK_CONFIG": "production", "PUBLIC_URL": "https://go.example.org", **SECRETS}


class Asked(dict[str, str]):
    """An environment that remembers which variables were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]  # narrower: texts only
        self.names.add(name)
        return super().get(name, default)


def names_of_settings() -> set[str]:
    asked = Asked(PRODUCTION)
    load(asked)
    return asked.names


def refusal(values: Mapping[str, str], otherwise: str) -> str:
    """What the refusal says, or `otherwise` where the settings load."""
    try:
        load(values)
    except BadSetting as refused:
        return str(refused)
    return otherwise


BAD = [
    ("FLASK_CONFIG", "prod"),
    ("FLASK_CONFIG", "Production"),
    ("SECRET_KEY", ""),
    ("SECRET_KEY", "0123456789abcdef"),
    ("SECRET_KEY", "aaaaaaaabbbbbbbbaaaaaaaabbbbbbbbaaaa"),
    ("SECRET_KEY", "change-me-change-me-change-me-change-me"),
    ("JWT_SECRET", ""),
    ("JWT_SECRET", "9f8e7d6c5b4a3928170605f4e3d2c1b"),
    ("JWT_SECRET", "default-jwt-0123456789abcdef0123456789"),
    ("JWT_SECRET", SECRETS["SECRET_KEY"]),
    ("PUBLIC_URL", "go.example.org"),
    ("PUBLIC_URL", "https://"),
    ("PUBLIC_URL", "https://go.example.org/path"),
    ("PUBLIC_URL", "https://user@go.example.org"),
    ("PUBLIC_URL", "https://go.example.org:port"),
    ("PUBLIC_URL", "https://go.example.org:99999"),
    ("PUBLIC_URL", "https://go.example.org:0"),
    ("PUBLIC_URL", "https://[::1"),
    ("PUBLIC_URL", "https://go example.org"),
    ("PUBLIC_URL", "https://go.example.org?x"),
    ("PUBLIC_URL", "ftp://go.example.org"),
    ("SHORT_PREFIX", "api"),
    ("SHORT_PREFIX", "API"),
    ("SHORT_PREFIX", "a/b"),
    ("SHORT_PREFIX", ".well-known"),
    ("SHORT_PREFIX", "s\u00e9"),
    ("SHORT_PREFIX", "x" * 33),
    ("DATABASE_URL", "nonsense"),
    ("DATABASE_URL", "mysql://h/name"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite:///:memory:"),
    ("DATABASE_URL", "postgresql://h:port/name"),
    ("DATABASE_URL", "postgresql+asyncpg://h/name"),
    ("DATABASE_URL", "postgresql://h:99999/name"),
    ("DATABASE_URL", "postgresql://h:0/name"),
    ("DATABASE_URL", "postgresql://h/name?foo=bar"),
    ("DATABASE_URL", "postgresql://h/name?autocommit=true"),
    ("DATABASE_URL", "sqlite:////tmp"),
    ("DATABASE_URL", f"sqlite:///{__file__}/slugline.db"),
    ("DATABASE_URL", "sqlite:////proc/x/slugline.db"),
    ("DATABASE_URL", "sqlite://h/slugline.db"),
    ("DATABASE_URL", "sqlite:///slugline.db?timeout=abc"),
    ("DATABASE_URL", "sqlite:///slugline.db?plugin=none"),
    ("REDIS_URL", "localhost:6379"),
    ("REDIS_URL", "http://localhost"),
    ("REDIS_URL", "redis://localhost:port"),
    ("REDIS_URL", "redis://localhost:99999"),
    ("REDIS_URL", "redis://localhost:6379/abc"),
    ("REDIS_URL", "redis://localhost/0?socket_timeout=abc"),
    ("REDIS_URL", "redis://localhost/0?foo=bar"),
    ("REDIS_URL", "redis://localhost/0?protocol=9"),
    ("REDIS_URL", "rediss://localhost/0?ssl_cert_reqs=maybe"),
    ("REDIS_URL", "redis+unix://"),
    ("REDIS_URL", "redis+unix://h:99999/run/redis.sock"),
    ("REDIS_URL", "redis://localhost/0?retry=1"),
    ("DATA_DIR", f"{__file__}/var"),
    ("DATA_DIR", "/proc/x"),
    ("DATA_DIR", "x" * 300),
    ("AVATAR_DIR", "/proc/x/y"),
    ("SPOOL_DIR", "/proc/x"),
    ("SPOOL_DIR", __file__),
    ("SPOOL_MAX_BYTES", "4095"),
    ("SPOOL_LIMIT_BYTES", "-1"),
    ("SPOOL_LIMIT_BYTES", "10G"),
    ("SPOOL_FSYNC", "sometimes"),
    ("CLICKS_KEPT_DAYS", "-1"),
    ("CACHE_BYTES", "-1"),
    ("CACHE_BYTES", "8M"),
    ("CLICKS_KEPT_DAYS", "36501"),
    ("WEB_BIND", "nonsense"),
    ("WEB_BIND", "127.0.0.1"),
    ("WEB_BIND", "127.0.0.1:99999"),
    ("WEB_BIND", "unix:"),
    ("WEB_BIND", "::1:8000"),
    ("WEB_BIND", "127.0.0.1:8000,"),
    ("WEB_BIND", "127.0.0.1:8000 unix:/run/web.sock"),
    ("WEB_BIND", "127.0.0.1:8000,nonsense"),
    ("WEB_BIND", "127.0.0.1:8000,fd://3"),
    ("WEB_BIND", "fd://3,unix:/run/web.sock"),
    ("WEB_WORKERS", "0"),
    ("WEB_WORKERS", "two"),
    ("WEB_THREADS", "257"),
    ("PROXY_HOPS", "-1"),
    ("PROXY_HOPS", "1.5"),
    ("PROXY_HOPS", "\u0661"),
    ("PROXY_HOPS", "1" * 5000),
    ("FORCE_HTTPS", "maybe"),
    ("CORS_ORIGINS", "*"),
    ("CORS_ORIGINS", "https://app.example.org, null"),
    ("CORS_ORIGINS", "https://app.example.org/path"),
    ("CORS_ORIGINS", "https://*.example.org"),
    ("CORS_ORIGINS", "https://app.example.org|https://evil.example"),
    ("PASSKEY_DOMAIN", "example.org"),
    ("PASSKEY_DOMAIN", "go.example.org.evil.example"),
    ("REQUIRE_SECOND_FACTOR", "admin"),
    ("REGISTRATION", "Open"),
    ("REGISTRATION_DOMAINS", "@example.org"),
    ("OIDC_PROVIDERS", "Google"),
    ("OIDC_PROVIDERS", "go-ogle"),
    ("OIDC_PROVIDERS", "../x"),
    ("PASSWORD_ROUNDS", "0"),
    ("PASSWORD_ROUNDS", "1e6"),
    ("ALLOW_PRIVATE_TARGETS", "2"),
    ("RESTORE_DAYS", "-1"),
    ("GEOIP_DATABASE", "/nowhere.mmdb"),
    ("GEOIP_DATABASE", __file__),
    ("AUDIT_KEPT_DAYS", "-1"),
    ("SECURITY_LOG", "/tmp"),
    ("RATELIMIT_ENABLED", "perhaps"),
    ("LIMIT_ANONYMOUS", "60"),
    ("LIMIT_ANONYMOUS", "60/fortnight"),
    ("LIMIT_USER", "0/minute"),
    ("LIMIT_MANAGER", "5/99999999999 year"),
    ("LIMIT_ADMIN", "off"),
    ("LIMIT_CREATE", ";"),
    ("LIMIT_MISSES", "-1/minute"),
    ("GUESSES_LOGIN_IP", "5/minute;20/hour"),
    ("GUESSES_ACCOUNT", "many"),
    ("GUESSES_ACCOUNT_DAY", "100"),
    ("GUESSES_LINK", "0/minute"),
    ("GUESSES_ONE_TIME", "often"),
    ("MAILS_ADDRESS", "3/hour;5/day"),
    ("MAILS_IP", "0/hour"),
    ("MAILS_NOTICES", "10"),
    ("SMTP_URL", "mail.example.org"),
    ("SMTP_URL", "http://mail.example.org"),
    ("SMTP_URL", "smtp://"),
    ("SMTP_URL", "smtp://h:port"),
    ("SMTP_URL", "smtp://h/path"),
    ("SMTP_URL", "smtps://user:p%C3%A4ss@mail.example.org"),
    ("SMTP_URL", "smtps://us\u00e9r:pw@mail.example.org"),
    ("SMTP_URL", "smtp://h?starttls=maybe"),
    ("SMTP_URL", "smtp://user:pw@mail.example.org?starttls=off"),
    ("MAIL_FROM", "slugline"),
    ("MAIL_FROM", "slugline@example.org>"),
    ("MAIL_FROM", "a,b@example.org"),
    ("MAIL_FROM", "Slugline <slugline@example.org>, Eve <eve@example.net>"),
    ("MAIL_FROM", "Slugline <slugline@example.org>\nBcc: eve@example.net"),
    ("EMAIL_VERIFICATION", "perhaps"),
    ("ACCOUNT_URL", "app.example.org"),
    ("ACCOUNT_URL", "javascript:alert(1)"),
    ("ACCOUNT_URL", "https://app.example.org/?a=b#c"),
    ("SIGN_IN_URL", "/sign-in"),
    ("SIGN_IN_URL", "javascript:alert(1)"),
    ("SECURITY_CONTACT", "admin@example.org"),
    ("SECURITY_CONTACT", "mailto:a@example.org\nExpires: never"),
    ("LOG_LEVEL", "debug"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_value_stops_the_start_and_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name):
        load({**TESTING, name: value})


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql://slugline:hunter2"),
        ("DATABASE_URL", "postgresql://slugline:hunter2@h:99999/name"),
        ("DATABASE_URL", "postgresql://slugline:hunter2@h/name?foo=hunter2"),
        ("DATABASE_URL", "sqlite://slugline:hunter2@h/name"),
        ("REDIS_URL", "redis://slugline:hunter2"),
        ("REDIS_URL", "redis://:hunter2@h/0?db=hunter2"),
        ("REDIS_URL", "redis://:hunter2@h/hunter2"),
        ("SMTP_URL", "smtps://slugline:hunter2"),
    ],
)
def test_refusal_of_a_url_shows_no_password_of_it(name: str, url: str) -> None:
    with pytest.raises(BadSetting, match=name) as refused:
        load({**TESTING, name: url})
    assert "hunter2" not in "".join(traceback.format_exception(refused.value, limit=0))


@pytest.mark.parametrize("name", sorted(names_of_settings()))
@pytest.mark.parametrize("value", ["\udcff", "%(x)s", "-1", "${HOME}", "'; DROP TABLE users; --", "[::1"])
def test_garbage_is_taken_as_text_or_names_the_variable(name: str, value: str) -> None:
    assert name in refusal({**TESTING, name: value}, otherwise=name)


PROVIDER = {
    "OIDC_PROVIDERS": "google",
    "OIDC_GOOGLE_ISSUER": "https://accounts.google.com",
    "OIDC_GOOGLE_CLIENT_ID": "slugline",
    "OIDC_GOOGLE_CLIENT_SECRET": "of the client",
}


@pytest.mark.asvs("12.3.1")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_GOOGLE_ISSUER", ""),
        ("OIDC_GOOGLE_ISSUER", "accounts.google.com"),
        ("OIDC_GOOGLE_ISSUER", "http://accounts.google.com"),
        ("OIDC_GOOGLE_ISSUER", "https://user@accounts.google.com"),
        ("OIDC_GOOGLE_ISSUER", "https://accounts.google.com?x"),
        ("OIDC_GOOGLE_ISSUER", "https://accounts.google.com#x"),
        ("OIDC_GOOGLE_ISSUER", "https://accounts.google.com/\\x"),
        ("OIDC_GOOGLE_ISSUER", "https://accounts.google.com:99999"),
        ("OIDC_GOOGLE_ISSUER", "https://[::1"),
        ("OIDC_GOOGLE_ISSUER", "https://" + "x" * 250),
        ("OIDC_GOOGLE_CLIENT_ID", ""),
        ("OIDC_GOOGLE_CLIENT_SECRET", ""),
        ("OIDC_GOOGLE_TRUST_EMAIL", "perhaps"),
        ("OIDC_GOOGLE_DOMAINS", "@example.org"),
    ],
)
def test_bad_setting_of_a_provider_names_the_variable(name: str, value: str) -> None:
    load({**TESTING, **PROVIDER})
    with pytest.raises(BadSetting, match=name):
        load({**TESTING, **PROVIDER, name: value})


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:9000", "http://localhost/realms/x", "http://[::1]:9000"]
)
def test_provider_on_this_machine_may_be_http_but_not_in_production(issuer: str) -> None:
    own = {**PROVIDER, "OIDC_GOOGLE_ISSUER": issuer}
    assert load({**TESTING, **own}).OIDC_PROVIDERS["google"].issuer == issuer
    with pytest.raises(BadSetting, match="OIDC_GOOGLE_ISSUER"):
        load({**PRODUCTION, **own})


def test_provider_that_is_named_twice_is_refused() -> None:
    twin = {name.replace("GOOGLE", "OTHER"): value for name, value in PROVIDER.items()}
    both = {**TESTING, **twin, **PROVIDER, "OIDC_PROVIDERS": "google other"}
    with pytest.raises(BadSetting, match="OIDC_PROVIDERS"):
        load(both)
    assert set(load({**both, "OIDC_OTHER_CLIENT_ID": "another"}).OIDC_PROVIDERS) == {"google", "other"}


def test_secret_of_a_provider_is_not_shown() -> None:
    assert "of the client" not in repr(load({**TESTING, **PROVIDER}).OIDC_PROVIDERS)


@pytest.mark.asvs("13.2.3")
@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET", "PUBLIC_URL"])
def test_production_needs_it(name: str) -> None:
    with pytest.raises(BadSetting, match=f"{name} is not set"):
        load({key: value for key, value in PRODUCTION.items() if key != name})


@pytest.mark.asvs("13.4.2", "15.2.3")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLASK_DEBUG", "1"),
        ("FLASK_DEBUG", "banana"),
        ("PUBLIC_URL", "http://go.example.org"),
        ("PASSWORD_ROUNDS", "599999"),
    ],
)
def test_production_refuses_what_tests_may(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name):
        load({**PRODUCTION, name: value})
    if name != "FLASK_DEBUG":
        load({**TESTING, name: value})


UNBOUND = {"RATELIMIT_ENABLED": "false"} | dict.fromkeys(
    ("GUESSES_LOGIN_IP", "GUESSES_ACCOUNT", "GUESSES_ACCOUNT_DAY"), "none"
)


def test_production_refuses_guesses_without_any_bound() -> None:
    with pytest.raises(BadSetting, match="GUESSES_ACCOUNT"):
        load({**PRODUCTION, **UNBOUND})
    for name in UNBOUND:
        load({**PRODUCTION, **UNBOUND, name: "true" if name == "RATELIMIT_ENABLED" else "100/day"})


SENDER = {"MAIL_FROM": "slugline@example.org"}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"FORCE_HTTPS": "false", "PUBLIC_URL": "http://go.example.org"}, ["PUBLIC_URL"]),
        ({"REGISTRATION": "domains", "REGISTRATION_DOMAINS": "example.org"}, ["REGISTRATION"]),
        ({"SMTP_URL": "smtp://relay:25?starttls=off", **SENDER}, ["SMTP_URL"]),
        ({"SMTP_URL": "smtp://relay:25", **SENDER}, []),
        ({"SMTP_URL": "smtp://127.0.0.1", **SENDER}, []),
        ({"SMTP_URL": "smtps://relay", **SENDER}, []),
        ({}, []),
    ],
)
def test_doubtful_settings_are_told(values: dict[str, str], named: list[str]) -> None:
    warnings = load({**PRODUCTION, **values}).WARNINGS
    assert [warning.replace("=", " ").split()[0] for warning in warnings] == named


def test_domains_are_no_doubt_where_addresses_are_verified() -> None:
    domains = {"REGISTRATION": "domains", "REGISTRATION_DOMAINS": "example.org", "EMAIL_VERIFICATION": "on"}
    assert load({**TESTING, **domains}).WARNINGS == []


def test_unset_environment_means_production() -> None:
    assert load({**PRODUCTION, "FLASK_CONFIG": ""}).NAME == "production"


@pytest.mark.asvs("11.4.2", "13.4.2")
def test_production_is_secure_by_default() -> None:
    settings = load(PRODUCTION)
    assert settings.FORCE_HTTPS
    assert settings.RATELIMIT_ENABLED
    assert settings.PASSWORD_ROUNDS == 600_000
    assert settings.PROXY_HOPS == 0
    assert settings.CORS_ORIGINS == []
    assert not settings.DEBUG
    assert not settings.TESTING


def test_production_may_serve_plain_http_when_told_so() -> None:
    settings = load({**PRODUCTION, "FORCE_HTTPS": "false", "PUBLIC_URL": "http://go.example.org"})
    assert not settings.FORCE_HTTPS


def test_development_has_no_fewer_password_rounds() -> None:
    with pytest.raises(BadSetting, match="PASSWORD_ROUNDS"):
        load({**TESTING, "FLASK_CONFIG": "development", "PASSWORD_ROUNDS": "1000"})


@pytest.mark.parametrize(
    "given",
    [
        "postgres://u:p%40ss@h:5433/name",
        "postgresql://u:p%40ss@h:5433/name",
        "postgresql+psycopg://u:p%40ss@h:5433/name",
    ],
)
def test_every_spelling_of_postgresql_uses_psycopg_and_keeps_the_password(given: str) -> None:
    settings = load({**TESTING, "DATABASE_URL": given})
    assert settings.SQLALCHEMY_DATABASE_URI == "postgresql+psycopg://u:p%40ss@h:5433/name"


def test_database_is_a_file_in_the_data_folder_by_default(tmp_path: Path) -> None:
    settings = load({**TESTING, "DATA_DIR": str(tmp_path)})
    assert f"sqlite:///{tmp_path}/slugline.db" == settings.SQLALCHEMY_DATABASE_URI
    assert tmp_path / "spool" == settings.SPOOL_DIR


def test_folder_that_is_still_to_be_made_is_taken_and_not_made(tmp_path: Path) -> None:
    load({**TESTING, "DATA_DIR": str(tmp_path / "some" / "where")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_folder_that_this_process_may_not_make_is_left_to_the_one_that_has_to(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:  # root may do it, whatever the rights are
        raise OSError(number, "no")

    monkeypatch.setattr(os, "mkdir", refuse)
    assert tmp_path / "spool" == load({**TESTING, "SPOOL_DIR": str(tmp_path / "spool")}).SPOOL_DIR


def test_relative_paths_are_the_projects_not_the_shells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load({**TESTING, "DATABASE_URL": "sqlite:///other.db", "DATA_DIR": "elsewhere"})
    assert f"sqlite:///{config.ROOT}/other.db" == settings.SQLALCHEMY_DATABASE_URI
    assert config.ROOT / "elsewhere" == settings.DATA_DIR


def test_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [f"{name}={value}" for name, value in TESTING.items()]
    (tmp_path / ".env").write_text("\n".join([*lines, "WEB_THREADS=3", "WEB_WORKERS=2"]))
    monkeypatch.setattr(config, "ROOT", tmp_path)
    for name in names_of_settings():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WEB_THREADS", "5")
    settings = load()
    assert (settings.NAME, settings.WEB_THREADS, settings.WEB_WORKERS) == ("testing", 5, 2)


@pytest.mark.parametrize(
    ("given", "prefix"), [("s", "s"), ("/", ""), ("/go/", "go"), ("Go_1-x", "Go_1-x"), ("", "s"), ("  ", "s")]
)
def test_short_prefix_is_one_segment_or_none(given: str, prefix: str) -> None:
    assert prefix == load({**TESTING, "SHORT_PREFIX": given}).SHORT_PREFIX


def test_clicks_are_bounded_by_default_in_bytes_and_in_days() -> None:
    settings = load(TESTING)
    assert (settings.SPOOL_LIMIT_BYTES, settings.SPOOL_FSYNC) == (10 * 1024**3, "never")
    assert settings.CLICKS_KEPT_DAYS == 365
    unbounded = load({**TESTING, "SPOOL_LIMIT_BYTES": "0", "CLICKS_KEPT_DAYS": "0"})
    assert (unbounded.SPOOL_LIMIT_BYTES, unbounded.CLICKS_KEPT_DAYS) == (0, 0)


@pytest.mark.parametrize("policy", get_args(Policy))
def test_every_policy_of_syncing_is_taken(policy: str) -> None:
    assert policy == load({**TESTING, "SPOOL_FSYNC": policy}).SPOOL_FSYNC


def test_production_sends_no_mail_without_a_server_and_needs_one_to_verify() -> None:
    assert not load(PRODUCTION).MAIL_ON
    assert load(TESTING).MAIL_ON  # shown on the worker's console
    with pytest.raises(BadSetting, match="SMTP_URL"):
        load({**PRODUCTION, "EMAIL_VERIFICATION": "on"})
    server = {"SMTP_URL": "smtps://mail.example.org", "MAIL_FROM": "slugline@example.org"}
    assert load({**PRODUCTION, "EMAIL_VERIFICATION": "on", **server}).MAIL_ON


def test_mail_server_needs_a_sender() -> None:
    with pytest.raises(BadSetting, match="MAIL_FROM"):
        load({**TESTING, "SMTP_URL": "smtps://mail.example.org"})


@pytest.mark.parametrize(
    ("url", "required"),
    [
        ("smtp://mail.example.org", True),
        ("smtp://user:pw@mail.example.org:587", True),
        ("smtp://relay:25?starttls=off", False),
        ("smtp://127.0.0.1:25", False),
        ("smtp://user:pw@localhost", False),
        ("smtp://[::1]?starttls=on", True),
        ("smtp://127.0.0.1.evil.example", True),
        ("smtps://mail.example.org", False),
    ],
)
def test_starttls_is_required_but_where_nobody_listens(url: str, required: bool) -> None:
    settings = load({**TESTING, "SMTP_URL": url, "MAIL_FROM": "slugline@example.org"})
    assert settings.SMTP_STARTTLS is required


@pytest.mark.parametrize(("name", "page"), [("ACCOUNT_URL", "account"), ("SIGN_IN_URL", "docs")])
def test_pages_that_people_are_led_to_are_https_where_all_is(name: str, page: str) -> None:
    assert getattr(load(PRODUCTION), name) == f"https://go.example.org/{page}"
    with pytest.raises(BadSetting, match=name):
        load({**PRODUCTION, name: "http://app.example.org"})


@pytest.mark.parametrize("given", ["true", "1", "YES", " on "])
def test_flags_have_several_spellings(given: str) -> None:
    assert load({**TESTING, "RATELIMIT_ENABLED": given}).RATELIMIT_ENABLED


@pytest.mark.parametrize(
    "given", ["0.0.0.0:80", ":8000", "[::]:8000", "localhost:1", "unix:/run/slugline.sock", "fd://3"]
)
def test_every_way_to_listen_is_taken(given: str) -> None:
    assert [given] == load({**TESTING, "WEB_BIND": given}).WEB_BIND


def test_several_ways_to_listen_are_taken_together() -> None:
    both = load({**TESTING, "WEB_BIND": "[::1]:8000, unix:/run/slugline.sock,127.0.0.1:8000"})
    assert both.WEB_BIND == ["[::1]:8000", "unix:/run/slugline.sock", "127.0.0.1:8000"]
    assert load({**TESTING, "WEB_BIND": "fd://3,fd://4"}).WEB_BIND == ["fd://3", "fd://4"]


@pytest.mark.parametrize("given", ["redis://h:6379/0", "rediss://u:p@h", "redis+unix:///run/redis.sock?db=1"])
def test_redis_has_time_limits(given: str) -> None:
    settings = load({**TESTING, "REDIS_URL": given})
    assert given == settings.RATELIMIT_STORAGE_URI
    assert all(0 < seconds < 1 for seconds in settings.RATELIMIT_STORAGE_OPTIONS.values())
    assert set(settings.RATELIMIT_STORAGE_OPTIONS) == {"socket_timeout", "socket_connect_timeout"}


def test_limits_can_be_switched_off_by_name() -> None:
    settings = load({**TESTING, "LIMIT_USER": "none", "GUESSES_LINK": "none"})
    assert (settings.LIMIT_USER, settings.GUESSES_LINK, settings.LIMIT_ADMIN) == ("", "", "")


@pytest.mark.asvs("1.2.9")
@pytest.mark.parametrize(
    ("listed", "origin", "allowed"),
    [
        ("https://a.example", "https://a.example", True),
        ("https://a.example/", "https://a.example", True),
        ("https://a.example https://b.example", "https://b.example", True),
        ("https://a.example,https://b.example", "https://b.example", True),
        ("https://a.example", "https://aXexample", False),
        ("https://a.example", "https://a.example.evil.example", False),
        ("https://a.example", "https://a.example\n", False),
        ("https://a.example", "http://a.example", False),
        ("http://[::1]:3000", "http://[::1]:3000", True),
        ("http://[::1]:3000", "http://1:3000", False),
        ("http://[::1]:3000", "http://[::1]:30000", False),
    ],
)
def test_origins_match_letter_by_letter(listed: str, origin: str, allowed: bool) -> None:
    patterns = load({**TESTING, "CORS_ORIGINS": listed}).CORS_ORIGINS
    assert any(pattern.match(origin) for pattern in patterns) is allowed


def test_country_database_is_told_by_its_marker(tmp_path: Path) -> None:
    good = tmp_path / "countries.mmdb"
    good.write_bytes(b"\x00" * 200_000 + b"\xab\xcd\xefMaxMind.com" + b"\xe0")
    assert str(good) == load({**TESTING, "GEOIP_DATABASE": str(good)}).GEOIP_DATABASE
    shutil.copy(good, tmp_path / "cut.mmdb")
    (tmp_path / "cut.mmdb").write_bytes(good.read_bytes()[:199_000])
    with pytest.raises(BadSetting, match="GEOIP_DATABASE"):
        load({**TESTING, "GEOIP_DATABASE": str(tmp_path / "cut.mmdb")})


def test_flask_gets_every_setting_in_capitals() -> None:
    settings = load(TESTING)
    handed = settings.flask()
    assert handed["SECRET_KEY"] == SECRETS["SECRET_KEY"]
    assert handed["JWT_SECRET_KEY"] == SECRETS["JWT_SECRET"]
    assert all(name.isupper() for name in handed)
    assert isinstance(settings, Config)
