import pytest
from ada_url import URL
from hypothesis import given
from hypothesis import strategies as st

from app.links.location import MAX_LOCATION, is_sendable, redirect_to, with_query

TARGETS = [
    "https://example.com/",
    "https://example.com/?",
    "https://example.com/?a=1",
    "https://example.com/?a=1&",
    "https://example.com/p?a=b?c#f",
    "https://example.com/#",
    "https://example.com/p#f?x=1&y",
    "http://[::1]:8000/a|b?x=[1]#:~:text=a,b",
]


@pytest.mark.parametrize(
    "location", [*TARGETS, "https://example.com/a|b?q=[x]|{y}^`#|", "https://example.com:0/"]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_location_is_sent_as_it_was_given(location: str, status: int) -> None:
    response = redirect_to(location, status)
    _, sent_status, headers = response.get_wsgi_response({"REQUEST_METHOD": "GET"})
    assert dict(headers)["Location"] == location
    assert sent_status.startswith(str(status))
    assert response.get_data() == b""


def test_redirect_without_location_can_be_sent() -> None:
    response = redirect_to("https://example.com/", 302)
    del response.headers["Location"]
    assert "Location" not in response.get_wsgi_headers({})


@pytest.mark.parametrize("location", TARGETS)
def test_plain_target_is_sendable(location: str) -> None:
    assert is_sendable(location)


@pytest.mark.asvs("1.2.1", "1.3.3")
@pytest.mark.parametrize(
    "location",
    [
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://example.com/é",
        "https://example.com/\u202e",
        "https://example.com/\ud800",
        "https://" + "a" * 64 + ".com/",  # Werkzeug's idna codec raises while the response starts
        "https://a..com/",
        "https://[::1/",
        "https://example.com:99999/",
    ],
)
def test_location_that_breaks_the_response_is_not_sendable(location: str) -> None:
    assert not is_sendable(location)


@pytest.mark.parametrize(
    ("target", "query", "location"),
    [
        ("https://h.example/p", b"a=1", "https://h.example/p?a=1"),
        ("https://h.example/p?", b"a=1", "https://h.example/p?a=1"),
        ("https://h.example/p?x=1", b"a=1", "https://h.example/p?x=1&a=1"),
        ("https://h.example/p?x=1&", b"a=1", "https://h.example/p?x=1&a=1"),
        ("https://h.example/p&", b"a=1", "https://h.example/p&?a=1"),
        ("https://h.example/p#top", b"a=1", "https://h.example/p?a=1#top"),
        ("https://h.example/p#", b"a=1", "https://h.example/p?a=1#"),
        ("https://h.example/p?x=1#y?z", b"a=1", "https://h.example/p?x=1&a=1#y?z"),
        ("https://h.example/p?x=1#f", b"", "https://h.example/p?x=1#f"),
        ("https://h.example/", b"fbclid=IwAR%2F0-_~", "https://h.example/?fbclid=IwAR%2F0-_~"),
        ("https://h.example/", b"a=%zz%", "https://h.example/?a=%zz%"),
        ("https://h.example/", b"?&=+/:;@!$()*,[]|^`{}\\", "https://h.example/??&=+/:;@!$()*,[]|^`{}\\"),
        ("https://h.example/", b"a=#evil", "https://h.example/?a=%23evil"),
        ("https://h.example/", b"a='\"<> \x7f", "https://h.example/?a=%27%22%3C%3E%20%7F"),
        ("https://h.example/", b"\r\nSet-Cookie:a\x00", "https://h.example/?%0D%0ASet-Cookie:a%00"),
        ("https://h.example/", "é".encode() + b"\xff", "https://h.example/?%C3%A9%FF"),
        (
            "https://h.example/",
            b"redir_url=//evil.example&@evil",
            "https://h.example/?redir_url=//evil.example&@evil",
        ),
    ],
)
def test_visitor_query_stands_behind_the_targets_own(target: str, query: bytes, location: str) -> None:
    assert with_query(target, query) == location


def test_visitor_query_that_makes_the_location_too_long_is_left_out() -> None:
    target = "https://h.example/p?x=1#f"
    room = MAX_LOCATION - len(target) - len("&")
    assert len(with_query(target, b"a" * room)) == MAX_LOCATION
    assert with_query(target, b"a" * (room + 1)) == target
    assert with_query(target, b"\xff" * (room // 3 + 1)) == target


@pytest.mark.asvs("1.2.2")
@given(
    st.sampled_from(TARGETS), st.binary(max_size=60) | st.text("?&#=/\\@:%\r\n.", max_size=40).map(str.encode)
)
def test_no_visitor_query_moves_the_target(target: str, query: bytes) -> None:
    location = with_query(target, query)
    before, after = URL(target), URL(location)
    assert after.href == location
    assert is_sendable(location)
    for part in ("protocol", "username", "password", "host", "pathname", "hash"):
        assert getattr(after, part) == getattr(before, part)
    assert after.search.startswith(before.search)
