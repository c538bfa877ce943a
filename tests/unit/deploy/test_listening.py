"""deploy/supervise.py: where to listen and what that is called. `tests/system/test_supervise.py` runs it."""

import pytest

from deploy.supervise import address, public_url


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ("127.0.0.1", 8000)),
        ({"PORT": "8001"}, ("127.0.0.1", 8001)),
        ({"WEB_BIND": "0.0.0.0:80"}, ("0.0.0.0", 80)),
        ({"WEB_BIND": "0.0.0.0:80", "PORT": "8001"}, ("0.0.0.0", 80)),
        ({"WEB_BIND": "[::1]:8000"}, ("::1", 8000)),
        ({"WEB_BIND": "", "PORT": ""}, ("127.0.0.1", 8000)),
    ],
)
def test_where_to_listen(values, expected):
    assert address(values) == expected


@pytest.mark.parametrize(
    "bind",
    [
        *("8000", ":8000", "localhost:", "localhost:0", "localhost:65536", "a:-1", "a:²"),
        *("unix:/run/web.sock", "0.0.0.0:8000,unix:/run/web.sock", "127.0.0.1:8000,127.0.0.1:8001"),
    ],
)
def test_a_senseless_address_ends_it_naming_the_variable(bind):
    with pytest.raises(SystemExit, match="WEB_BIND"):
        address({"WEB_BIND": bind})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_what_a_browser_on_this_machine_calls_it(host, url):
    assert public_url(host, 8000) == url
