"""How a mail leaves the house: to a mail server (SMTP_URL), or in development onto the console."""

import smtplib
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from flask import current_app

Deliver = Callable[[EmailMessage, str], None]
"""Hands a message over for one recipient. Raises Undeliverable, or OSError (SMTPException is one)."""

_TIMEOUT = 20.0  # seconds for each step of the conversation


class Undeliverable(Exception):
    """Nobody will take this mail for this recipient, however often it is sent; `code` is what the server said."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(code)


@contextmanager
def connected() -> Iterator[Deliver]:
    """A connection for several mails. Raises OSError where the server cannot be reached, offers no STARTTLS where
    that is required, or does not let us in."""
    if not current_app.config["SMTP_URL"]:
        yield _show
        return
    with _server() as server:
        yield lambda message, to: _hand_over(server, message, to)


def _show(message: EmailMessage, to: str) -> None:
    """For development, where the worker's output is the mailbox. Production never gets here (`MAIL_ON`)."""
    sys.stdout.write(f"--- mail to {to}\n{message.as_string()}\n---\n")
    sys.stdout.flush()


@contextmanager
def _server() -> Iterator[smtplib.SMTP]:
    """The mail server, signed in to. TLS with the system's certificates; never a password in clear."""
    url = urlsplit(current_app.config["SMTP_URL"])
    host, context = url.hostname or "", ssl.create_default_context()
    # What we call ourselves; without it smtplib asks the resolver for a name, which may take seconds.
    own = urlsplit(current_app.config["PUBLIC_URL"]).hostname
    server: smtplib.SMTP
    if url.scheme == "smtps":
        server = smtplib.SMTP_SSL(host, url.port or 465, own, timeout=_TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(host, url.port or 587, own, timeout=_TIMEOUT)
    try:
        if current_app.config["SMTP_STARTTLS"]:
            server.starttls(context=context)
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.ehlo_or_helo_if_needed()  # what it can do, which `send_message` asks for before it says hello
        yield server
    finally:
        with suppress(OSError):  # whatever it says to that, what was sent is sent
            server.quit()
        server.close()


def _hand_over(server: smtplib.SMTP, message: EmailMessage, to: str) -> None:
    try:
        server.send_message(message, to_addrs=[to])
    except smtplib.SMTPRecipientsRefused as error:
        [(code, _)] = error.recipients.values()
        if code < 500:
            raise
        raise Undeliverable(code) from None
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        if error.smtp_code < 500:
            raise
        raise Undeliverable(error.smtp_code) from None  # RFC 5321 §4.2.1: not to be tried again as it is
    except smtplib.SMTPNotSupportedError:  # an address beyond ASCII, and a server that knows ASCII alone
        raise Undeliverable(553) from None
