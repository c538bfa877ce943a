"""The referring host out of a Referer."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clicks.referrers import referrer_host


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://example.org/page?q=secret#x", "example.org"),
        ("https://www.Example.ORG/", "example.org"),
        ("http://news.example.org:8080/", "news.example.org"),
        ("https://example.org./", "example.org"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://user:password@example.org/", "example.org"),
        ("http://192.0.2.1/", "192.0.2.1"),
        ("http://[2001:db8::1]/", "[2001:db8::1]"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("", ""),
        ("example.org", ""),
        ("//example.org/", ""),
        ("about:blank", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,<script>", ""),
        ("http://[::1", ""),
        ("https://<script>alert(1)</script>/", ""),
        ("https://exa\ud800mple.org/", ""),
        ("http://my_shop.example/", "my_shop.example"),
        ("http://x;=1+1;.example/", ""),
        ("android-app://a;=HYPERLINK(A1)/", ""),
        ("android-app://b%C3%BCcher/", ""),
        ("android-app://" + "a" * 300, ""),
    ],
)
def test_only_the_host_is_told(referrer: str, host: str) -> None:
    assert referrer_host(referrer) == host


hostile = st.text(st.characters() | st.characters(categories=["Cs"]))  # with lone surrogates


@given(hostile | hostile.map(lambda text: f"https://{text}/"))
def test_hostile_text_gives_a_host_that_fits_its_column(referrer: str) -> None:
    host = referrer_host(referrer)
    assert len(host) <= 255
    assert re.fullmatch(r"[a-z0-9._-]*|\[[0-9a-f:]+\]", host)
