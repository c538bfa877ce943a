"""Nginx's own errors come in the one shape of the API, and the application's pass untouched."""

import socket

import pytest

from tests.e2e.processes import PATIENCE
from tests.servers import free_port
from tests.system.proxy import LISTED_ORIGINS, nginx
from tests.system.wire import API, assert_one_shape, call, get

LIMIT = 256 * 1024


def test_a_body_over_the_limit_is_413(proxy):
    with proxy.connect() as connection:
        answer = call(connection, f"POST {API}/auth/login HTTP/1.1\nContent-Length: {LIMIT + 1}")
    assert_one_shape(answer, 413, "PAYLOAD_TOO_LARGE")


def test_a_chunked_body_over_the_limit_is_413(proxy):
    body = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with proxy.connect() as connection:
        answer = call(connection, f"POST {API}/auth/login HTTP/1.1\nTransfer-Encoding: chunked", body * 5)
    assert_one_shape(answer, 413, "PAYLOAD_TOO_LARGE")


def test_a_batch_may_have_4_mib(proxy):
    head = f"POST {API}/links/batch HTTP/1.1\nContent-Type: application/json\nContent-Length: "
    with proxy.connect() as connection:
        answer = call(connection, f"{head}{16 * LIMIT}", b" " * 16 * LIMIT)
    assert_one_shape(answer, 401, "AUTH_REQUIRED")
    with proxy.connect() as connection:
        answer = call(connection, f"{head}{16 * LIMIT + 1}")
    assert_one_shape(answer, 413, "PAYLOAD_TOO_LARGE")


def test_a_picture_may_have_2_mib_and_what_is_around_it(proxy):
    head = (
        f"PUT {API}/users/me/avatar HTTP/1.1\nContent-Type: multipart/form-data; boundary=x\nContent-Length: "
    )
    most = 2 * 1024 * 1024 + 16 * 1024
    with proxy.connect() as connection:
        answer = call(connection, f"{head}{most}", b" " * most)
    assert_one_shape(answer, 401, "AUTH_REQUIRED")
    with proxy.connect() as connection:
        answer = call(connection, f"{head}{most + 1}")
    assert_one_shape(answer, 413, "PAYLOAD_TOO_LARGE")


def test_a_body_at_the_limit_reaches_the_application(proxy):
    with proxy.connect() as connection:
        head = f"POST {API}/auth/login HTTP/1.1\nContent-Type: application/json\nContent-Length: {LIMIT}"
        answer = call(connection, head, b" " * LIMIT)
    assert (answer.status, answer.error["code"]) == (400, "MALFORMED_JSON")


@pytest.mark.parametrize("length", [4097, 8000, 20_000])
def test_a_long_path_and_query_are_414(proxy, length):
    path = f"{API}/links?q=".ljust(length, "x")
    assert_one_shape(get(proxy, path), 414, "URI_TOO_LONG")


def test_a_path_and_query_at_the_limit_reach_the_application(proxy):
    assert get(proxy, f"{API}/links?q=".ljust(4096, "x")).status == 401


@pytest.mark.parametrize("lines", [["X-Long: " + "x" * 9000], ["X-Many: " + "x" * 4000] * 10])
def test_large_headers_are_431(proxy, lines):
    assert_one_shape(get(proxy, "/healthz", *lines), 431, "HEADERS_TOO_LARGE")


@pytest.mark.parametrize("line", ["GET / HTP/1.1", "GET  HTTP/1.1", "GET / HTTP/9.1", "\x01\x02 / HTTP/1.1"])
def test_what_is_not_http_is_400(proxy, line):
    with proxy.connect() as connection:
        answer = call(connection, line)
    assert_one_shape(answer, 400, "VALIDATION_ERROR")


@pytest.mark.asvs("4.2.1")
def test_an_unknown_transfer_coding_is_501(proxy):
    with proxy.connect() as connection:
        answer = call(connection, "POST / HTTP/1.1\nTransfer-Encoding: gzip")
    assert_one_shape(answer, 501, "NOT_IMPLEMENTED")


def test_plain_http_to_the_tls_port_is_400(proxy):
    with socket.create_connection(("127.0.0.1", proxy.https), PATIENCE) as connection:
        assert_one_shape(call(connection, "GET / HTTP/1.1"), 400, "VALIDATION_ERROR")


@pytest.mark.asvs("13.4.4")
def test_trace_is_405_with_allow(proxy):
    with proxy.connect() as connection:
        answer = call(connection, "TRACE / HTTP/1.1")
    assert_one_shape(answer, 405, "METHOD_NOT_ALLOWED")
    assert "GET" in answer.headers["Allow"]


def test_a_head_error_has_no_body(proxy):
    with proxy.connect() as connection:
        answer = call(connection, "HEAD /metrics HTTP/1.1")
    assert (answer.status, answer.headers["X-Error-Code"], answer.body) == (404, "NOT_FOUND", b"")


def test_a_dead_application_is_502(tls, tmp_path):
    with nginx(free_port(), tls, tmp_path) as proxy:
        assert_one_shape(get(proxy, f"{API}/links"), 502, "BAD_GATEWAY")


def test_a_hanging_application_is_504(tls, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with nginx(port, tls, tmp_path, proxy_read_timeout="1s") as proxy:
            assert_one_shape(get(proxy, f"{API}/links"), 504, "GATEWAY_TIMEOUT")


def test_the_applications_own_errors_pass_as_they_are(proxy):
    answer = get(proxy, f"{API}/users/me")
    assert (answer.status, answer.error["code"]) == (401, "AUTH_REQUIRED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("origin", LISTED_ORIGINS)
def test_a_listed_origin_may_read_the_errors(proxy, origin):
    answer = get(proxy, f"{API}/".ljust(5000, "x"), f"Origin: {origin}")
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "X-Error-Code" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.org", "https://app.example.or", "https://appxexample.org", "null", "https://"],
)
def test_another_origin_may_not(proxy, origin):
    answer = get(proxy, f"{API}/".ljust(5000, "x"), f"Origin: {origin}")
    assert answer.status == 414
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_no_origin_may_read_the_errors_of_pages(proxy):
    answer = get(proxy, "/s/".ljust(5000, "x"), f"Origin: {LISTED_ORIGINS[0]}")
    assert answer.status == 414
    assert "Access-Control-Allow-Origin" not in answer.headers
