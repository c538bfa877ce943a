import itertools

import pytest
from werkzeug.routing import Map

from app.links.resolve import domain_host


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("go.example.org", "go.example.org"),
        ("GO.Example.ORG", "go.example.org"),
        ("go.example.org:8443", "go.example.org"),
        ("go.example.org.", "go.example.org"),
        ("go.example.org.:80", "go.example.org"),
        ("go.example.org:", "go.example.org"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("[::1]:8000", "[::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("", None),
        (":80", None),
        ("go.example.org:99999999", None),
        ("go..example.org", None),
        ("go.example.org..", None),
        (".", None),
        ("go.example.org\x00", None),
        ("go.example.org/x", None),
        ("go.example.org\n", None),
        ("bücher.example", None),
        ("\udcff.example", None),
        ("xn--\xff.example", None),
        ("[::1\x00]", None),
        ("[::1", None),
        ("[]", None),
        ("2001:db8::", None),
        ("user@go.example.org", None),
        ("a" * 64 + ".example", None),
        ("a." * 4000, None),
    ],
)
def test_host_header_is_read_as_domains_are_stored(header: str, host: str | None) -> None:
    assert domain_host(header) == host


def test_a_host_that_the_fast_entrances_take_is_none_that_flask_refuses() -> None:
    parts = ("a", "x" * 63, "xn--", ".", "..", ":", ":80", "[::1]", " ", "\xe9")
    for chosen in itertools.product(parts, repeat=4):
        header = "".join(chosen)
        if domain_host(header) is not None:
            asked = {"wsgi.url_scheme": "http", "REQUEST_METHOD": "GET", "PATH_INFO": "/"}
            Map().bind_to_environ({"HTTP_HOST": header, **asked})
