"""A rosbridge server on 127.0.0.1 that takes its protocol, version 2, at its word; and can hang, die and lack messages.

There is no ROS here: what a real one would say of a message is said from ``tests.real.ros_definitions``.
"""

import json
import multiprocessing
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.real.loopback_port import LoopbackPort, reusable_socket
from tests.real.ros_definitions import DEFINITIONS, problem

_ANSWER_S = 20.0

# Of each operation that a client may ask for here: the fields it must have and may have, and their JSON types.
_OPERATIONS: dict[str, tuple[dict[str, type], dict[str, type]]] = {
    "advertise": ({"topic": str, "type": str}, {"id": str}),
    "unadvertise": ({"topic": str}, {"id": str}),
    "publish": ({"topic": str, "msg": dict}, {"id": str}),
}


@dataclass(frozen=True)
class Heard:
    """What one operation of a client came to.

    Attributes:
        connection: counts the connections from 0.
        wrong: why it was refused, or warned of; empty if all was well.
        message: of a publish operation.
    """

    connection: int
    op: str
    topic: str
    wrong: str
    message: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Character:
    """How a server is.

    Attributes:
        lacks: packages that are not installed there, such as ``hri_msgs``.
        greeting: raw messages that each new connection is sent.
        remarks: raw messages that it sends after each operation.
        certificate: a file with key and certificate, for TLS.
        ends_after: operations after which it closes each connection; None: never.
    """

    lacks: tuple[str, ...] = ()
    greeting: tuple[str | bytes, ...] = ()
    remarks: tuple[str | bytes, ...] = ()
    certificate: Path | None = None
    ends_after: int | None = None


class RosbridgeServer:
    """A server in a process of its own: ``with`` starts and ends it; it dies with the test.

    Its port stays its own while it is down, when connections are refused.
    """

    def __init__(self, character: Character | None = None) -> None:
        self.character = character or Character()
        self._heard: list[Heard] = []
        self._change = threading.Condition()

    def __enter__(self) -> "RosbridgeServer":
        self._port = LoopbackPort()
        scheme = "rosbridge" if self.character.certificate is None else "rosbridges"
        self.url = f"{scheme}://127.0.0.1:{self._port.number}"
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        self._port.close()

    def start(self) -> None:
        """Start it, or start it anew after ``kill``; returns when it listens."""
        context = multiprocessing.get_context("spawn")  # the test has threads
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._port.number, self.character, theirs), daemon=True)
        self._process.start()
        theirs.close()
        if not ours.poll(_ANSWER_S):
            raise RuntimeError("the rosbridge server does not start")
        ours.recv()
        self._collector = threading.Thread(target=self._collect, args=(ours,), daemon=True)
        self._collector.start()

    def kill(self) -> None:
        """End it at once, also when it hangs; what it heard is kept."""
        self._process.kill()
        self._process.join(_ANSWER_S)
        self._collector.join(_ANSWER_S)

    def hang(self) -> None:
        """From now on it reads nothing and says nothing; connections stay, and new ones wait."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After ``hang``."""
        self._signal(signal.SIGCONT)

    def heard(self, op: str | None = None, topic: str | None = None) -> list[Heard]:
        """What it heard since the test began, in order; only of this operation, only of this topic."""
        with self._change:
            return [h for h in self._heard if op in (None, h.op) and topic in (None, h.topic)]

    def wait_for(self, count: int, op: str | None = None, topic: str | None = None) -> list[Heard]:
        """As ``heard``, as soon as there are so many."""
        with self._change:
            if not self._change.wait_for(lambda: len(self.heard(op, topic)) >= count, _ANSWER_S):
                raise AssertionError(f"heard {len(self.heard(op, topic))} times {op} {topic}, and not {count} times")
            return self.heard(op, topic)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)
        time.sleep(0.05)  # until it is in force for all of its threads

    def _collect(self, pipe: Connection) -> None:
        with suppress(EOFError, OSError):  # it was killed
            while True:
                heard = pipe.recv()
                with self._change:
                    self._heard.append(heard)
                    self._change.notify_all()


class _Client:
    """What the server knows of one connection."""

    def __init__(self, number: int, character: Character) -> None:
        self._number, self._character = number, character
        self._advertised: dict[str, str] = {}

    def hear(self, text: str) -> Heard:
        try:
            message = json.loads(text, parse_constant=_no_constant)
        except ValueError as error:
            return Heard(self._number, "", "", f"not JSON: {error}")
        op, topic = message.get("op", ""), message.get("topic", "")
        wrong = self._form(message) or getattr(self, f"_{op}")(message)
        return Heard(self._number, op, topic, wrong or "", message.get("msg", {}))

    def _form(self, message: dict[str, Any]) -> str | None:
        if message.get("op") not in _OPERATIONS:
            return f"Unknown operation: {message.get('op')}"
        must, may = _OPERATIONS[message["op"]]
        wrong = [name for name, kind in must.items() if not isinstance(message.get(name), kind)]
        wrong += [name for name in message.keys() & may.keys() if not isinstance(message[name], may[name])]
        wrong += sorted(message.keys() - must.keys() - may.keys() - {"op"})
        return f"wrong fields: {wrong}" if wrong else None

    def _advertise(self, message: dict[str, Any]) -> str | None:
        topic, kind = message["topic"], message["type"]
        package, _, name = kind.partition("/msg/")
        if package in self._character.lacks or kind not in DEFINITIONS:
            return f"Unable to import {package}.msg.{name} from package {package}. Caused by: No module named {package}"
        if self._advertised.get(topic, kind) != kind:
            return f"{topic} has the type {self._advertised[topic]}"
        self._advertised[topic] = kind
        return None

    def _unadvertise(self, message: dict[str, Any]) -> str | None:
        return None if self._advertised.pop(message["topic"], None) else f"{message['topic']} is not advertised"

    def _publish(self, message: dict[str, Any]) -> str | None:
        if message["topic"] not in self._advertised:
            return f"{message['topic']} is not advertised"
        return problem(message["msg"], self._advertised[message["topic"]])


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _serve(port: int, character: Character, pipe: Connection) -> None:
    """The server's process: accept for ever, a thread a connection."""
    listener = reusable_socket()
    listener.bind(("127.0.0.1", port))
    listener.listen()
    one_at_a_time = threading.Lock()

    def tell(heard: Heard) -> None:
        with one_at_a_time:
            pipe.send(heard)

    pipe.send("listening")
    for number in range(1_000_000):
        accepted, _ = listener.accept()
        threading.Thread(target=_talk, args=(accepted, _Client(number, character), character, tell)).start()


def _talk(accepted: socket.socket, client: _Client, character: Character, tell: Any) -> None:
    """One connection. A ping is answered when everything before it was heard, as in rosbridge's own server."""
    protocol, heard = ServerProtocol(max_size=1 << 22), 0
    with suppress(OSError), _secured(accepted, character) as connection:
        while data := connection.recv(1 << 16):
            protocol.receive_data(data)
            for event in protocol.events_received():
                if isinstance(event, Request):
                    protocol.send_response(protocol.accept(event))
                    _say(protocol, character.greeting)
                elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    request = bytes(event.data).decode()
                    result, heard = client.hear(request), heard + 1
                    tell(result)
                    _say(protocol, [*_status(request, result), *character.remarks])
                    if heard == character.ends_after:
                        protocol.send_close(1001)
            for piece in protocol.data_to_send():
                if piece:
                    connection.sendall(piece)
                else:
                    connection.shutdown(socket.SHUT_WR)


def _secured(accepted: socket.socket, character: Character) -> socket.socket:
    if character.certificate is None:
        return accepted
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(character.certificate)
    return context.wrap_socket(accepted, server_side=True)


def _status(request: str, result: Heard) -> Iterator[str]:
    if result.wrong:
        identity = {"id": json.loads(request)["id"]} if '"id"' in request and result.op else {}
        yield json.dumps({"op": "status", "level": "error", "msg": f"{result.op}: {result.wrong}", **identity})


def _say(protocol: ServerProtocol, raw: Any) -> None:
    for message in raw:
        if isinstance(message, str):
            protocol.send_text(message.encode())
        else:
            protocol.send_binary(message)
