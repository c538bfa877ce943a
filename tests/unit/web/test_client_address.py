"""app/web/proxy.py: who the client is."""

import pytest
from flask import Flask, request

from app.web import proxy


def seen(app: Flask, hops: int, *, peer: str = "10.0.0.1", **headers: str) -> tuple[str, str]:
    app.config["PROXY_HOPS"] = hops
    proxy.init_app(app)
    app.add_url_rule("/", view_func=lambda: [proxy.client_address(), request.scheme])
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    address, scheme = app.test_client().get("/", headers=sent, environ_base={"REMOTE_ADDR": peer}).json
    return address, scheme


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, "192.0.2.1", "10.0.0.1"),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        (2, "6.6.6.6, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
        (2, "192.0.2.1", "10.0.0.1"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_address_is_told_by_the_trusted_hops_alone(
    bare: Flask, hops: int, forwarded: str, address: str
) -> None:
    assert seen(bare, hops, X_Forwarded_For=forwarded)[0] == address


@pytest.mark.parametrize(("hops", "scheme"), [(0, "http"), (1, "https")])
def test_scheme_is_told_by_the_trusted_hops_alone(bare: Flask, hops: int, scheme: str) -> None:
    assert seen(bare, hops, X_Forwarded_Proto="https")[1] == scheme


@pytest.mark.parametrize("hops", [0, 1])
def test_other_headers_of_proxies_are_not_read(bare: Flask, hops: int) -> None:
    headers = {
        "Forwarded": "for=6.6.6.6;proto=https",
        "X_Real_IP": "6.6.6.6",
        "X_Client_IP": "6.6.6.6",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Ssl": "on",
        "CF_Connecting_IP": "6.6.6.6",
    }
    assert seen(bare, hops, **headers) == ("10.0.0.1", "http")


def test_host_is_the_clients_own(bare: Flask) -> None:
    bare.config["PROXY_HOPS"] = 1
    proxy.init_app(bare)
    bare.add_url_rule("/", view_func=lambda: request.host)
    headers = {"Host": "go.example.org", "X-Forwarded-Host": "evil.example", "X-Forwarded-Port": "1"}
    assert bare.test_client().get("/", headers=headers).text == "go.example.org"
