"""Readings to ROS 2 through a rosbridge server, which runs where ROS is; the device itself has none.

The topics have a prefix of their own, ``/m3er``, and not ROS4HRI's ``/humans/faces/<id>`` (REP-155). There an ID is one
face's for as long as it is seen, and who publishes beside it lists it as tracked and gives its region and its picture.
A reading has no ID and no picture, and is about a person's face, voice and words at once; and ROS4HRI's listeners keep
the last emotion when there is none. Who knows the ID can name it: ``rosbridge://HOST/humans/faces/ID``.
"""

import json
import logging
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from urllib.parse import SplitResult, urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect

from edge.errors import M3erError
from edge.publish import connecting
from edge.publish.ros_messages import (
    DIAGNOSTICS,
    EXPRESSION,
    ROS_TOPICS,
    WHOLE,
    Message,
    diagnostics,
    expression,
    unnamed,
    whole,
)
from edge.publish.rosbridge_status import StatusLog
from edge.reading import Reading

_log = logging.getLogger(__name__)

_SCHEMES = {"rosbridge": "ws", "rosbridges": "wss"}
_PORT, _PREFIX = 9090, "/m3er"
# What ROS 2 allows as a name: words that begin with a letter and have no underscores in a row.
_NAME = re.compile(r"(/[A-Za-z](_?[A-Za-z0-9])*)+")
_START = "start it there: ros2 launch rosbridge_server rosbridge_websocket_launch.xml"

_OPEN_S, _ANSWER_S, _CLOSE_S = 2.0, 2.0, 0.4
_LOOK_S = 0.02
_DIAGNOSTICS_EVERY_S = 1.0
_LONGEST_MESSAGE_BYTES = 1 << 20  # of the server's; it has nothing long to say to us


class Rosbridge:
    """Publishes each reading on the topics of ``ros_messages.ROS_TOPICS``, through rosbridge's protocol, version 2.

    It connects when a reading comes, and advertises the topics once a connection. rosbridge acknowledges nothing, so
    each reading is followed by a WebSocket ping: the server answers in order, and its pong says that what came before
    has reached it. (rosbridge_suite hands it to ROS within milliseconds, from a queue that it empties when we leave.)
    A reading whose ``publish`` raised may have reached the server nevertheless, when the connection broke between the
    two, and is then published again: its ``sequence`` tells. What the server says of errors is logged once.

    Args:
        url: ``rosbridge://HOST[:9090][/PREFIX]``; ``rosbridges`` for TLS, with the authorities that Python trusts.
        labels: the bundle's emotions; those that ROS has no name for are logged.

    Raises:
        M3erError: the URL cannot be used; says why.
    """

    def __init__(self, url: str, labels: Sequence[str]) -> None:
        parts = _split(url)
        self._server = f"{parts.scheme}://{_host(parts)}:{parts.port or _PORT}"
        self._host = parts.hostname or ""
        self._address = f"{_SCHEMES[parts.scheme]}://{_host(parts)}:{parts.port or _PORT}/"
        prefix = parts.path.rstrip("/") or _PREFIX
        self._names = {topic: topic.name.replace("/PREFIX", prefix) for topic in ROS_TOPICS}
        self._device = prefix.strip("/")
        self._connection: ClientConnection | None = None
        self._open_things = ExitStack()
        self._status = StatusLog(self._server, {self._names[topic]: topic.type for topic in ROS_TOPICS})
        self._diagnostics_due_s = 0.0  # of time.monotonic()
        if nameless := unnamed(labels):
            _log.warning(
                "%s: hri_msgs has no name for %s: %s stays empty for it, %s has it",
                *(self._server, ", ".join(nameless), self._names[EXPRESSION], self._names[WHOLE]),
            )

    def publish(self, reading: Reading) -> None:
        """Send one reading and wait until the server has read it; a broken connection is made anew first.

        Raises:
            M3erError: there is no rosbridge to be reached, or it has not answered within 2 s.
        """
        connection = self._connected()
        now_s = time.monotonic()
        try:
            for name, message in self._messages(reading, now_s):
                if name not in self._status.refused:
                    _send(connection, "publish", name, msg=message)
            self._wait_until_read(connection)
        except (ConnectionClosed, TimeoutError) as error:
            self._let_go()
            raise self._error(error) from error
        if now_s >= self._diagnostics_due_s:
            self._diagnostics_due_s = now_s + _DIAGNOSTICS_EVERY_S

    def close(self) -> None:
        """Close the connection; what ``publish`` has taken has arrived. Returns within a second."""
        if self._connection is not None and self._connection.protocol.state is State.OPEN:
            with suppress(ConnectionClosed):  # by the server: as we want it
                self._hear(self._connection)
        self._let_go()

    def _messages(self, reading: Reading, now_s: float) -> Iterator[tuple[str, Message]]:
        yield self._names[EXPRESSION], expression(reading)
        yield self._names[WHOLE], whole(reading)
        if now_s >= self._diagnostics_due_s:
            yield self._names[DIAGNOSTICS], diagnostics(reading, self._device)

    def _connected(self) -> ClientConnection:
        """The connection, if it is open; a new one, with all topics advertised, if not."""
        if self._connection is not None and self._connection.protocol.state is State.OPEN:
            return self._connection
        self._let_go()
        try:
            # No proxy: robots are near. No compression: the messages are short. Our own pings suffice.
            connecting = connect(
                self._address,
                open_timeout=_OPEN_S,
                close_timeout=_CLOSE_S,
                ping_interval=None,
                max_size=_LONGEST_MESSAGE_BYTES,
                compression=None,
                proxy=None,
            )
            connection = self._open_things.enter_context(connecting)
            self._connection = connection
            self._status.new_connection()
            # A server that reads nothing would stop `send` for ever; with this, the kernel gives the connection up.
            limit_ms = round(1000 * _ANSWER_S)
            with suppress(OSError):  # closed already, which the next line finds out
                connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit_ms)
            for topic, name in self._names.items():
                _send(connection, "advertise", name, type=topic.type)
            self._wait_until_read(connection)  # and has said which it refuses
        except (OSError, InvalidHandshake, ConnectionClosed, UnicodeError, EOFError) as error:
            self._let_go()
            raise self._error(error) from error
        return connection

    def _wait_until_read(self, connection: ClientConnection) -> None:
        """Until the server has answered a ping. Raises TimeoutError after 2 s, ConnectionClosed."""
        pong, until_s = connection.ping(), time.monotonic() + _ANSWER_S
        while not pong.wait(_LOOK_S):
            self._hear(connection)  # else what it says stands before its pong
            if time.monotonic() >= until_s:
                raise TimeoutError
        with suppress(ConnectionClosed):  # after it has read everything: the next reading finds out
            self._hear(connection)

    def _hear(self, connection: ClientConnection) -> None:
        """Take what the server has said so far, without waiting. Raises ConnectionClosed."""
        until_s = time.monotonic() + _ANSWER_S  # a server that never stops talking
        while time.monotonic() < until_s:
            try:
                said = connection.recv(timeout=0)
            except TimeoutError:
                return
            self._status.hear(said)

    def _let_go(self) -> None:
        self._connection = None
        self._open_things.close()

    def _error(self, error: Exception) -> M3erError:
        """What a person is told."""
        if isinstance(error, ConnectionClosed):
            why = error.__cause__ or error
            return M3erError(f"{self._server}: the connection broke off ({why}); see what its own log says")
        if isinstance(error, TimeoutError):
            return M3erError(f"{self._server}: did not answer within {_ANSWER_S:g} s; is it on, and the network?")
        is_cert = isinstance(error, ssl.SSLCertVerificationError)
        if isinstance(error, (ssl.SSLError, InvalidMessage, EOFError)) and not is_cert:
            return M3erError(f"{self._server}: not a rosbridge: it does not speak WebSocket there; look at the port")
        if isinstance(error, InvalidStatus):
            status = error.response.status_code
            return M3erError(f"{self._server}: not a rosbridge: it answers with HTTP {status}; look at the port")
        if isinstance(error, InvalidHandshake):
            return M3erError(f"{self._server}: not a rosbridge ({error}); look at the port")
        assert isinstance(error, (OSError, UnicodeError))
        return M3erError(f"{self._server}: {connecting.fault(error, self._host, 'rosbridge', _START, 'SSL_CERT_FILE')}")


def _send(connection: ClientConnection, op: str, topic: str, **fields: object) -> None:
    # The id comes back in what the server says of it.
    connection.send(json.dumps({"op": op, "id": f"{op}:{topic}", "topic": topic, **fields}, allow_nan=False))


def _split(url: str) -> SplitResult:
    """The parts of a URL that can be used; M3erError says what is wrong with another."""
    form = "it must be rosbridge://HOST[:9090][/PREFIX]"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise M3erError(f"{url}: {error}; {form}") from error
    if parts.username is not None or parts.password is not None:
        raise M3erError(f"{parts.scheme}://…@{parts.hostname}: rosbridge knows no users; {form}")
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.query or parts.fragment:
        raise M3erError(f"{url}: not a rosbridge; {form}")
    prefix = parts.path.rstrip("/")
    if prefix and not _NAME.fullmatch(prefix):
        raise M3erError(
            f"{url}: {prefix} is no name of a ROS 2 topic; "
            "it takes letters, digits and single underscores, each word beginning with a letter"
        )
    return parts


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host
