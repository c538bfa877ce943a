"""Asking a provider: in bounded time, a bounded answer, and never where a redirect says."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO, RawIOBase
from socket import socket
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError

from app.errors import AppError, BadGateway, GatewayTimeout
from app.logs import log

CONNECT_TIMEOUT = 3.0  # seconds
READ_TIMEOUT = 5.0  # seconds without a byte
LONGEST = 10.0  # seconds for all of it: connecting, headers, body
LARGEST = 256 * 1024  # bytes
_PIECE = 16 * 1024
# What libraries make of an answer that is not what it should be; OverflowError: an `expires_in` of 1e999.
_NONSENSE = (
    *(ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError),
    AuthlibBaseError,
)


class _Until(RawIOBase):
    """What comes from a socket until the deadline. The socket's own time-out begins anew with each byte, in headers
    as in bodies, so that a provider that sends one now and then would hold the thread for hours."""

    def __init__(self, source: socket, deadline: float) -> None:
        self._source = source
        self._file = source.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._source.settimeout(min(READ_TIMEOUT, left))
        return self._file.readinto(into)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Bounded(HTTPAdapter):
    """Reads the body itself, so that whoever uses the session gets one that is bounded in time and size."""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        deadline = time.monotonic() + LONGEST

        class Response(http.client.HTTPResponse):
            def __init__(self, sock: socket, *args: Any, **options: Any) -> None:
                super().__init__(sock, *args, **options)
                self.fp.close()
                self.fp = BufferedReader(_Until(sock, deadline))

        pool.ConnectionCls = type("Connection", (pool.ConnectionCls,), {"response_class": Response})
        return pool

    def send(self, request: requests.PreparedRequest, *_args: Any, **options: Any) -> requests.Response:
        timeouts = (CONNECT_TIMEOUT, READ_TIMEOUT)
        response = super().send(request, **{**options, "stream": True, "timeout": timeouts})
        with response.raw as raw:
            if 300 <= response.status_code < 400:
                raise requests.TooManyRedirects("redirects are not followed")
            response.raw = BytesIO(_read(raw))
        return response


def session() -> requests.Session:
    """A session for one question; without cookies of others."""
    made: requests.Session = _bounded(requests.Session())
    return made


def client(client_id: str, client_secret: str, **options: Any) -> Any:
    """Authlib's client, for one exchange."""
    return _bounded(OAuth2Session(client_id, client_secret, **options))


@contextmanager
def answered(issuer: str) -> Iterator[None]:
    """Let what fails in the block be the provider's failure. Raises BadGateway or GatewayTimeout."""
    try:
        yield
    except requests.Timeout as error:
        raise _told(GatewayTimeout("The provider did not answer in time."), issuer, error) from None
    except (requests.RequestException, *_NONSENSE) as error:
        raise _told(BadGateway("The provider gave no good answer."), issuer, error) from None


def _told(failure: AppError, issuer: str, error: Exception) -> AppError:
    # Its kind alone: the text of some has URLs with a code in them.
    log.warning("provider failed", issuer=issuer, error=type(error).__name__)
    return failure


def _bounded(asking: Any) -> Any:
    asking.headers["Accept-Encoding"] = "identity"  # what is unpacked has no bound
    for scheme in ("https://", "http://"):
        asking.mount(scheme, _Bounded())
    return asking


def _read(raw: Any) -> bytes:
    """The whole body. Raises RequestException."""
    body = b""
    try:
        while piece := raw.read1(_PIECE):
            body += piece
            if len(body) > LARGEST:
                raise requests.exceptions.ContentDecodingError("the answer is too large")
    except ReadTimeoutError as error:
        raise requests.ReadTimeout("the answer stopped") from error
    except (HTTPError, OSError) as error:
        raise requests.ConnectionError("the answer broke off") from error
    return body
