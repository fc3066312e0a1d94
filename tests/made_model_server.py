"""A real web server that gives one model, well or badly."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge.models.public import PublicModel
from edge.perceive.face_detector import model_folders

BLOCK = 8192


class ModelServer(ThreadingHTTPServer):
    """Gives `content`, well or badly."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = bytes(range(256)) * 1024
        self.takes_range = True
        self.status = 0  # an error for every request
        self.cuts: list[int] = []  # one a request: break the connection after so many bytes
        self.hangs = False  # after the cut, say nothing more instead of breaking off
        self.asked: list[str | None] = []  # the Range of each request
        self.served = 0

    def model(self, name: str = "net", zipped: bool = False) -> PublicModel:
        url = f"http://127.0.0.1:{self.server_port}/{name}{'.zip' if zipped else '.onnx'}"
        digest = hashlib.sha256(self.content).hexdigest()
        return PublicModel(name, "tests", "-", "none", url, digest, len(self.content), name)


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append(asked)
        if self.server.status:
            self.send_error(self.server.status)
            return
        whole = self.server.content
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.takes_range else 0
        if begin >= len(whole):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(whole) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        end = begin + self.server.cuts.pop(0) if self.server.cuts else len(whole)
        for at in range(begin, min(end, len(whole)), BLOCK):
            block = whole[at : min(at + BLOCK, end)]
            self.wfile.write(block)
            self.server.served += len(block)
        while self.server.hangs and end < len(whole):
            time.sleep(0.02)

    def log_message(self, *_: object) -> None:
        """Not on the tests' stderr."""


@contextmanager
def serving() -> Iterator[ModelServer]:
    """The server, running."""
    with ModelServer() as served:
        threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True).start()
        yield served
        served.hangs = False
        served.shutdown()


def bare_machine(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of a person who has nothing yet, on a machine without a proxy."""
    monkeypatch.setenv("HOME", str(place / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("VOSK_MODEL_PATH", "M3ER_YUNET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(place)
    return model_folders()[0]
