"""What the page's tests share: readings, and visitors that behave well, or as they like."""

import http.client
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from edge.publish.page import Page
from edge.reading import MODALITIES, ModalityReading, Reading

LABELS = ("anger", "happy", "neutral", "sad")
TOKEN = "a word: ünlikely & long"


def reading(sequence: int = 0, transcript: str = "", hop_s: float = 0.5) -> Reading:
    """A reading as a run makes them."""
    return Reading(
        time="2026-01-01T00:00:00.000Z",
        sequence=sequence,
        t=hop_s * (sequence + 1),
        emotion="happy",
        confidence=0.7,
        probabilities={"anger": 0.1, "happy": 0.7, "neutral": 0.1, "sad": 0.1},
        modalities={m: ModalityReading(state="live", age_s=0.1, quality=0.9) for m in MODALITIES},
        evidence="correlation",
        correlation={"face-speech": 0.5},
        threshold={"face-speech": 0.2},
        faces=1,
        transcript=transcript,
        latency_ms={"capture_to_reading": 12.0},
        bundle="made@sha256:00",
    )


def port_of(page: Page) -> int:
    return int(page.url.rsplit(":", 1)[1].strip("/"))


def ask(page: Page, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body. Underscores in names of headers stand for hyphens."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(page), timeout=5)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@contextmanager
def open_socket(page: Page, path: str = "/readings", **headers: str) -> Iterator[ClientConnection]:
    """A WebSocket; underscores in names of headers stand for hyphens."""
    with connect(
        f"ws://127.0.0.1:{port_of(page)}{path}",
        additional_headers={name.replace("_", "-"): value for name, value in headers.items()},
        open_timeout=5,
    ) as client:
        yield client


def status_of_socket(page: Page, path: str = "/readings", **headers: str) -> int:
    try:
        with open_socket(page, path, **headers):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


def next_message(client: ClientConnection) -> dict[str, object]:
    message: dict[str, object] = json.loads(client.recv(timeout=5))
    return message


@contextmanager
def greeted(page: Page) -> Iterator[ClientConnection]:
    """A client that has had its greeting, so that the server knows it."""
    with open_socket(page) as client:
        assert [next_message(client)["kind"] for _ in range(2)] == ["config", "history"]
        yield client


def until(what: str, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait for it."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, f"never: {what}"
        time.sleep(0.01)


def raw_client(page: Page) -> socket.socket:
    """A WebSocket that was opened by hand, to send what no library sends."""
    client = socket.create_connection(("127.0.0.1", port_of(page)), timeout=5)
    client.sendall(
        b"GET /readings HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert client.recv(64).startswith(b"HTTP/1.1 101")
    return client


def frame(
    opcode: int, payload: bytes = b"", masked: bool = True, claimed: int | None = None, final: bool = True
) -> bytes:
    size = len(payload) if claimed is None else claimed
    head = bytes([(0x80 if final else 0) | opcode])
    bit = 0x80 if masked else 0
    head += bytes([bit | size]) if size < 126 else bytes([bit | 127]) + struct.pack("!Q", size)
    return head + (bytes(4) if masked else b"") + payload
