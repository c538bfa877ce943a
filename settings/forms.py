"""The forms that values have: whether a text is one, without a word on what to do with it."""

import errno
import re
from collections.abc import Sequence
from importlib import import_module
from os.path import isdir
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, unquote, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import ArgumentError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NOT_THE_PATHS_FAULT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
_STARTTLS = {"starttls=on": True, "starttls=off": False}


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


def is_origin(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port_is_good = parts.port != 0  # `.port` raises ValueError on one out of range
    except ValueError:
        return False
    plain = re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", value)
    return bool(plain and parts.hostname and port_is_good)


def is_below(origin: str, domain: str) -> bool:
    """Whether the origin's host is the domain or one below it."""
    return f".{urlsplit(origin).hostname}".endswith(f".{domain}")


def is_folder(path: Path) -> bool:
    """Whether it is a folder or can become one; what is missing is not made. That is tried with another beside it:
    rights alone tell root nothing, nor anybody of /proc.

    What this process may not do, or not now, speaks not against the path: not every process makes each folder.
    """
    try:
        found = next(found for found in (path, *path.parents) if found.exists())
        if found != path:
            TemporaryDirectory(dir=found).cleanup()
        return found.is_dir()
    except OSError as error:
        return error.errno in _NOT_THE_PATHS_FAULT


def is_sqlite_url(url: URL) -> bool:
    """Whether it names a file that is there or can be made, with options that SQLAlchemy takes."""
    try:
        create_engine(url)
    except (ArgumentError, ValueError):
        return False
    file = url.database or ""
    return is_folder(Path(file).parent) and not isdir(file)  # which raises nothing where one may not look


def is_libpq_url(url: URL) -> bool:
    """Whether libpq knows its options; of their values it tells no sooner than it connects."""
    try:
        make_conninfo(**url.get_dialect()().create_connect_args(url)[1])
    except (ArgumentError, ProgrammingError):
        return False
    return url.port is None or 0 < url.port < 2**16


def is_redis_url(value: str) -> bool:
    """Whether it makes a connection, which is not opened. `redis` would take a database that is no number for 0."""
    redis = import_module("redis")  # by name: a tenth of a second and 5 MiB, for a process that has no Redis
    try:
        parts = urlsplit(value)
        path = {"redis": "/?[0-9]*", "rediss": "/?[0-9]*", "redis+unix": "/.+"}[parts.scheme]
        if not re.fullmatch(path, parts.path) or parts.port == 0 or "retry" in parse_qs(parts.query):
            return False
        redis.ConnectionPool.from_url(value.replace("redis+unix://", "unix://")).make_connection()
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        redis.RedisError,
    ):  # AttributeError: an object given as text
        return False
    return True


def is_smtp_url(value: str) -> bool:
    """Whether it names a mail server that gets no password in clear, and none that smtplib cannot send."""
    try:
        parts = urlsplit(value)
        whole = bool(parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0)
    except ValueError:
        return False
    whole = whole and unquote(parts.netloc).isascii()
    plain = parts.path in ("", "/") and not parts.fragment and parts.query in ("", *_STARTTLS)
    return whole and plain and not (is_in_clear(value) and parts.username)


def is_in_clear(url: str) -> bool:
    """Whether mail to this server travels to another machine unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "smtp" and not wants_starttls(url) and not is_loopback(parts.hostname)


def wants_starttls(url: str) -> bool:
    """Required but on the way to oneself, and where the URL says otherwise."""
    parts = urlsplit(url)
    said = _STARTTLS.get(parts.query)
    return parts.scheme == "smtp" and (not is_loopback(parts.hostname) if said is None else said)


def is_loopback(host: str | None) -> bool:
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.[0-9]{1,3}){3}", host or ""))


def are_binds(values: Sequence[str]) -> bool:
    """Whether Gunicorn can listen on all of them: hosts and ports, and unix sockets; or descriptors handed down, for
    which it would forget whatever else is named."""
    if values[0].startswith("fd:"):
        return all(re.fullmatch(r"fd://[0-9]+", value) for value in values)
    return all(is_address(value) or re.fullmatch(r"unix:\S+", value) for value in values)


def is_address(value: str) -> bool:
    """Whether it is host and port: IPv6 in brackets, and no host for every interface."""
    found = re.fullmatch(r"(?:[A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", value)
    return bool(found and int(found[1]) < 2**16)


def is_mmdb(path: Path) -> bool:
    """Whether the file ends as MaxMind's format says: a marker within the last 128 KiB."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 128 * 1024))
        return b"\xab\xcd\xefMaxMind.com" in file.read()
