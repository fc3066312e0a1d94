"""The page's server through real sockets: who may look, and what it refuses."""

import http.client
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from edge.errors import M3erError
from edge.publish.page import Page
from edge.publish.page_server import MOST_CLIENTS
from tests.made_page import (
    LABELS,
    TOKEN,
    ask,
    frame,
    greeted,
    next_message,
    port_of,
    raw_client,
    reading,
    status_of_socket,
    until,
)


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page(LABELS, 0.5, port=0)
    yield page
    page.close()


@pytest.fixture
def guarded() -> Iterator[Page]:
    page = Page(LABELS, 0.5, port=0, token=TOKEN)
    yield page
    page.close()


QUERY = "token=a%20word%3A%20%C3%BCnlikely%20%26%20long"


def test_without_the_token_nothing_is_seen(guarded: Page) -> None:
    for path in ("/", "/page.js", "/readings", "/nothing", "/?token=", "/?token=wrong", f"/?{QUERY}&{QUERY}"):
        status, headers, body = ask(guarded, path)
        assert status == 401 and b"--page-token" in body and headers["WWW-Authenticate"] == "Bearer"
        assert headers["Set-Cookie"] is None
    assert ask(guarded, Authorization="Bearer wrong")[0] == 401
    assert ask(guarded, Authorization="Basic " + "a" * 8)[0] == 401
    assert ask(guarded, Cookie=f"m3er_edge_{port_of(guarded)}=wrong; x")[0] == 401
    assert status_of_socket(guarded) == status_of_socket(guarded, "/readings?token=x") == 401


def test_the_token_opens_in_the_address_the_cookie_and_the_header(guarded: Page) -> None:
    status, headers, body = ask(guarded, f"/?{QUERY}")
    assert status == 200 and b"<title>" in body
    cookie, *attributes = (part.strip() for part in headers["Set-Cookie"].split(";"))
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert "long" not in cookie  # the cookie is not the token
    assert ask(guarded, "/page.js", Cookie=f"other=1; {cookie}")[0] == 200
    assert ask(guarded, "/page.js")[0] == 401
    bearer = {"Authorization": b"Bearer " + TOKEN.encode()}
    connection = http.client.HTTPConnection("127.0.0.1", port_of(guarded), timeout=5)
    connection.request("GET", "/", headers=bearer)
    assert connection.getresponse().status == 200
    connection.close()
    assert status_of_socket(guarded, Cookie=cookie) == status_of_socket(guarded, f"/readings?{QUERY}") == 101


def test_a_cookie_outlives_a_restart_with_the_same_token_only(guarded: Page) -> None:
    cookie = ask(guarded, f"/?{QUERY}")[1]["Set-Cookie"].split(";")[0]
    port = port_of(guarded)
    guarded.close()
    for token, status in ((TOKEN, 200), (TOKEN + "!", 401)):
        page = Page(LABELS, 0.5, port=port, token=token)
        try:
            assert ask(page, Cookie=cookie)[0] == status
        finally:
            page.close()


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_others_may_look_only_with_a_token(address: str) -> None:
    with pytest.raises(M3erError, match="--page-token"):
        Page(LABELS, 0.5, address=address, port=0)
    with pytest.raises(M3erError, match="empty"):
        Page(LABELS, 0.5, address=address, port=0, token=" ")
    page = Page(LABELS, 0.5, address=address, port=0, token=TOKEN)
    try:
        assert ask(page)[0] == 401
        for host in ("192.168.1.7:8710", "[fe80::1]:8710", f"{socket.gethostname()}.local"):
            assert ask(page, f"/?{QUERY}", Host=host)[0] == 200
        assert ask(page, f"/?{QUERY}", Host="evil.example")[0] == 421
    finally:
        page.close()


def test_a_name_that_was_bent_to_our_address_is_refused(page: Page) -> None:
    """DNS rebinding: the browser believes that it talks with its own site."""
    port = port_of(page)
    for host in ("localhost", f"localhost:{port}", "127.0.0.1:9", "[::1]", "LOCALHOST.", "robot.localhost"):
        assert ask(page, Host=host)[0] == 200
    for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "192.168.1.7", socket.gethostname()):
        assert ask(page, Host=host)[0] == 421
        assert status_of_socket(page, Host=host) in (400, 421)  # the library's client sends two
    for host in ("", "a b", "localhost:x", "[localhost]", "user@localhost"):
        assert ask(page, Host=host)[0] in (400, 421)


def test_another_sites_page_may_not_look(page: Page) -> None:
    port = port_of(page)
    assert status_of_socket(page, Origin=f"http://127.0.0.1:{port}") == 101
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{port + 1}", "http://127.0.0.1", "file://"):
        assert status_of_socket(page, Origin=origin) == 403
        assert ask(page, "/page.js", Origin=origin)[0] == 403


def close_code(client: socket.socket) -> int | None:
    """The code of the close frame, if one comes."""
    data = b""
    with suppress(ConnectionResetError):  # the server had not read all that we sent
        while b"\x88" not in data[:-3] and (chunk := client.recv(65536)):
            data += chunk
    at = data.rfind(b"\x88")
    return int(struct.unpack("!H", data[at + 2 : at + 4])[0]) if at >= 0 else None


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"hello"), 1008),
        (frame(2, b"\0\1\2"), 1008),
        (frame(1, b"x" * 5000), 1009),
        (frame(1, b"", claimed=1 << 40), 1009),
        (frame(1, b"x" * 4000, final=False) + frame(0, b"x" * 4000), 1009),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(1, b"hello", masked=False), 1002),
        (frame(3, b"hello"), 1002),
        (frame(0, b"hello"), 1002),
        (frame(9, b"x" * 126), 1002),
        (b"GET / HTTP/1.1\r\n\r\n", 1002),
    ],
    ids=["text", "binary", "oversized", "huge", "in pieces", "not utf-8", "no mask", "opcode", "tail", "ping", "http"],
)
def test_who_says_anything_is_closed_and_nobody_else(page: Page, sent: bytes, code: int) -> None:
    with greeted(page) as other:
        client = raw_client(page)
        client.sendall(sent)
        assert close_code(client) == code
        client.close()
        page.publish(reading(7))
        assert next_message(other)["kind"] == "reading"
    until("the client is forgotten", lambda: page.watchers == 0)


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\x02\x00\x01", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"G" * 99999],
)
def test_bytes_that_are_no_request_end_that_connection(
    page: Page, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", port_of(page)), timeout=8) as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            assert b" 200 " not in client.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            pass  # it was closed while we were still sending
    assert ask(page)[0] == 200
    assert not caplog.records


def test_a_hundred_may_watch_and_no_more(page: Page) -> None:
    with ExitStack() as clients:
        first, *_ = (clients.enter_context(greeted(page)) for _ in range(MOST_CLIENTS))
        assert page.watchers == MOST_CLIENTS
        assert status_of_socket(page) == 503
        assert ask(page)[0] == 200
        first.close()
        until("its place is free", lambda: status_of_socket(page) == 101)
