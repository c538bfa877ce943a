"""app/web/proxy.py: who the client is."""

import pytest
from flask import Flask, request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix

from app.web import proxy


def seen(app: Flask, hops: int, *, peer: str = "10.0.0.1", **headers: str) -> tuple[str, str]:
    app.config["PROXY_HOPS"] = hops
    proxy.init_app(app)
    app.add_url_rule("/", view_func=lambda: [proxy.client_address(), request.scheme])
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    address, scheme = app.test_client().get("/", headers=sent, environ_base={"REMOTE_ADDR": peer}).json
    return address, scheme


@pytest.mark.asvs("15.3.4")
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


@pytest.mark.asvs("4.1.3")
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


addresses = st.sampled_from(["192.0.2.1", "2001:db8::1", "unknown", "1.2.3.4:80", "", " ", '"a,b"', "[::1]"])
lists = st.lists(addresses, max_size=4).map(", ".join) | st.text(alphabet='1a:., \t"[];=', max_size=20)


@given(told=lists, hops=st.integers(0, 3))
def test_what_the_fast_entrances_read_is_what_proxyfix_reads(told: str, hops: int) -> None:
    environ = {"REMOTE_ADDR": "10.0.0.1", "wsgi.url_scheme": "http", "HTTP_X_FORWARDED_FOR": told}
    seen: list[str] = []

    def app(environ: dict[str, str], _start: object) -> list[bytes]:
        seen.append(environ["REMOTE_ADDR"])
        return []

    ProxyFix(app, x_for=hops, x_proto=0, x_host=0)(environ, lambda *_: None)  # type: ignore[arg-type]  # enough of both
    assert proxy.forwarded("10.0.0.1", told, hops) in (None, seen[0])


def test_plain_lists_are_read(bare: Flask) -> None:
    """The control: were None said of every list, the two would agree as well."""
    assert proxy.forwarded("10.0.0.1", "6.6.6.6, 192.0.2.1", 1) == "192.0.2.1"
    assert proxy.forwarded("10.0.0.1", "192.0.2.1", 2) == "10.0.0.1"
    assert proxy.forwarded("10.0.0.1", '"192.0.2.1"', 1) is None
    assert proxy.forwarded("10.0.0.1", None, 1) == "10.0.0.1"
