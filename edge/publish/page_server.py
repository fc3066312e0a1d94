"""A small server for one page: static files and WebSockets on one port, in one thread, for few visitors."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import cast
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from edge.errors import M3erError
from edge.publish.page_access import Access
from edge.publish.page_connection import MOST_CONNECTIONS, Connection, Outbox

READINGS, PICTURES = "/readings", "/pictures"
"""Where WebSockets are opened."""
_WAITING = {READINGS: 64, PICTURES: 1}
"""Messages that may wait for a slow client."""

MOST_CLIENTS = 100
_MOST_RECEIVED_BYTES = 4096
_SEND_BUFFER_BYTES = 65_536
"""The kernel's, for each connection: Linux would let it grow to megabytes for a client that does not read."""
_WRITE_BUFFER_BYTES = 32_768
_OPEN_S, _PING_S, _CLOSE_S = 5.0, 15.0, 5.0
_SHUT_S = 0.4
_GO_FIRST_S = 0.001

_FOLDER = Path(__file__).parent / "page"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_OTHER_NAMES = {"/": "/index.html", "/favicon.ico": "/icon.svg"}
_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_log = logging.getLogger(__name__)
_library_log = logging.getLogger(f"{__name__}.websockets")
# Anybody can send bytes that are no request: nothing to tell the person who reads the log of a run.
_library_log.addFilter(lambda record: record.getMessage() != "opening handshake failed")
_library_log.setLevel(logging.WARNING)


class PageServer:
    """Serves the page's files, and hands messages to all who are connected.

    Each client has an outbox that forgets its oldest message when it is full; one that takes nothing for 10 s is
    dropped. Whoever sends anything is closed: clients have nothing to say.

    Args:
        address, port: where; port 0 takes a free one.
        token: what visitors must bring; None: nothing.
        greeting: what a new client of the readings gets first; called in the server's thread.

    Raises:
        M3erError: it cannot be served there.
    """

    def __init__(self, address: str, port: int, token: str | None, greeting: Callable[[], list[str]]) -> None:
        self._files = {f"/{file.name}": file.read_bytes() for file in _FOLDER.iterdir() if file.suffix in _KINDS}
        self._socket = _listen(address, port, token)
        self.address, self.port = self._socket.getsockname()[:2]
        self._access = Access(token, ipaddress.ip_address(self.address).is_loopback, self.port)
        self._greeting = greeting
        self._connections: set[Connection] = set()
        self._outboxes: dict[str, set[Outbox]] = {READINGS: set(), PICTURES: set()}
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="page", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def watchers(self, path: str) -> int:
        """How many are connected to `path` now."""
        return len(self._outboxes[path])

    def call(self, function: Callable[[], None]) -> None:
        """Run `function` in the server's thread, a millisecond from now. Raises RuntimeError once it has ended.

        Not at once: the caller, whom waking the server makes let go of Python's lock, would wait to get it back.
        """
        self._loop.call_soon_threadsafe(self._loop.call_later, _GO_FIRST_S, function)

    def hand_out(self, path: str, message: str | bytes) -> None:
        """To all clients of `path`. In the server's thread alone."""
        outboxes = self._outboxes[path]
        ready = [outbox for outbox in outboxes if outbox.is_ready]
        for outbox in outboxes.difference(ready):
            outbox.put(message)
        # At once, without waking a task for each: other threads of a run wait while this one works.
        broadcast([outbox.connection for outbox in ready], message)

    def close(self) -> None:
        """End it, within a second; the port is free then."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self.call(self._stop.set)
        self._thread.join(2 * _SHUT_S + 0.2)

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:  # noqa: BLE001 - a bug; the run goes on without the page
            _log.exception("the page's server: a bug in the program")
        finally:
            self._socket.close()
            self._loop.close()

    async def _serve(self) -> None:
        server = await serve(
            self._client,
            sock=self._socket,
            process_request=self._answer,
            process_response=_secured,
            server_header=None,
            compression=None,
            max_size=_MOST_RECEIVED_BYTES,
            max_queue=2,
            write_limit=_WRITE_BUFFER_BYTES,
            open_timeout=_OPEN_S,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            close_timeout=_CLOSE_S,
            logger=_library_log,
            create_connection=cast(type[ServerConnection], partial(Connection, self._connections)),
        )
        await self._stop.wait()
        server.close()
        closed = asyncio.ensure_future(server.wait_closed())
        await asyncio.wait([closed], timeout=_SHUT_S)
        for connection in list(self._connections):
            connection.transport.abort()
        await asyncio.wait([closed], timeout=_SHUT_S)

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """A file, or a refusal; None opens a WebSocket."""
        path = urlsplit(request.path).path if request.path.startswith("/") else ""
        if getattr(request, "method", "GET") != "GET":  # older websockets know no other method
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "This page can only be looked at.", Allow="GET")
        refusal = self._access.refusal(request.path, request.headers)
        if refusal is not None:
            extra = {"WWW-Authenticate": "Bearer"} if refusal[0] is HTTPStatus.UNAUTHORIZED else {}
            return _text(refusal[0], refusal[1], **extra)
        if path in self._outboxes:
            if "websocket" not in ",".join(request.headers.get_all("Upgrade")).lower():
                return _text(HTTPStatus.UPGRADE_REQUIRED, "Open a WebSocket here.", Upgrade="websocket")
            if sum(other.is_client for other in self._connections) >= MOST_CLIENTS:
                return _text(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_CLIENTS} watch already: try again later.")
            cast(Connection, connection).is_client = True
            return None
        path = _OTHER_NAMES.get(path, path)
        if path not in self._files:
            return _text(HTTPStatus.NOT_FOUND, "There is nothing here: the page is at /.")
        cookie = self._access.cookie(request.path)
        extra = {"Set-Cookie": cookie} if cookie else {}
        return _response(HTTPStatus.OK, _KINDS[PurePosixPath(path).suffix], self._files[path], **extra)

    async def _client(self, connection: ServerConnection) -> None:
        if not cast(Connection, connection).is_client:
            return  # websockets 13 comes here after every answer
        path = urlsplit(connection.request.path).path if connection.request is not None else READINGS
        outbox = Outbox(cast(Connection, connection), _WAITING[path])
        for message in self._greeting() if path == READINGS else []:
            outbox.put(message)
        self._outboxes[path].add(outbox)
        sender = asyncio.ensure_future(outbox.send())
        try:
            await connection.recv()
            await connection.close(1008, "clients have nothing to say here")
        except ConnectionClosed:
            pass  # which is how all visits end
        finally:
            self._outboxes[path].discard(outbox)
            sender.cancel()


def _listen(address: str, port: int, token: str | None) -> socket.socket:
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    if not 0 <= port <= 65535:
        raise M3erError(f"the page at {where}: there is no such port; name one from 1024 to 65535")
    if token is not None and not token.strip():
        raise M3erError("the page's token is empty: give --page-token a word that nobody guesses")
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, place = found[0]
    except OSError as error:
        raise M3erError(f"the page at {where}: no such address ({error.strerror}); name one of this machine") from error
    if token is None and not ipaddress.ip_address(str(place[0]).partition("%")[0]).is_loopback:
        raise M3erError(
            f"the page at {where} could be seen by everybody in the network: give it a word that visitors must know, "
            "with --page-token, or serve it at 127.0.0.1"
        )
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a new run would wait a minute for the port
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        server.bind(place)
        server.listen(MOST_CONNECTIONS)
    except OSError as error:
        server.close()
        advice = {
            errno.EADDRINUSE: "the port is in use; end the other program, or name another port",
            errno.EADDRNOTAVAIL: "this machine has no such address; name one of its own",
            errno.EACCES: "no permission for this port; name one from 1024 on",
        }
        raise M3erError(
            f"the page at {where}: {advice.get(error.errno or 0, os.strerror(error.errno or 0))}"
        ) from error
    return server


def _secured(_connection: ServerConnection, _request: Request, response: Response) -> Response | None:
    """Every answer, also the library's own refusals, with the headers that keep browsers careful."""
    for name, value in _SECURITY.items():
        if name not in response.headers:
            response.headers[name] = value
    return None


def _text(status: HTTPStatus, text: str, **extra: str) -> Response:
    return _response(status, "text/plain; charset=utf-8", f"{text}\n".encode(), **extra)


def _response(status: HTTPStatus, kind: str, body: bytes, **extra: str) -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **extra})
    return Response(status.value, status.phrase, headers, body)
