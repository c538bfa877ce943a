"""Tells the audit log of the request: its id and its network, and nobody as actor until a credential is verified;
and what comes after it in the same thread is nobody's."""

from flask import Flask

from app import addresses
from app.audit import circumstances
from app.audit.circumstances import Circumstances
from app.web import request_id
from app.web.proxy import client_address


def init_app(app: Flask) -> None:
    app.before_request(_begin)
    app.teardown_request(lambda _error: circumstances.begin(Circumstances()))


def _begin() -> None:
    network = addresses.truncated(client_address())
    circumstances.begin(Circumstances(actor=None, request_id=request_id.current(), ip_prefix=network))
