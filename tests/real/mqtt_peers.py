"""Others at a broker: one that listens, one that stands in between, and one that only plays the broker."""

import json
import socket
import threading
import time

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.real.mosquitto import READER, READER_PASSWORD, Mosquitto


class Subscriber:
    """Another client, which comes again by itself, and for whom the broker keeps what comes meanwhile.

    It subscribes with QoS 0: it then reads to the end what a dying broker has sent, where one that acknowledges would
    break off at its first acknowledgement, and the broker that could send again has forgotten.
    """

    def __init__(self, broker: Mosquitto, topics: str = "#", name: str = "subscriber") -> None:
        self.messages: list[tuple[str, str, bool]] = []
        self.subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, name, clean_session=False)
        self._client.username_pw_set(READER, READER_PASSWORD)
        self._client.reconnect_delay_set(0.05, 0.05)  # type: ignore[arg-type]  # it takes fractions, too
        self._client.on_connect = lambda client, *_: client.subscribe(topics, qos=0)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", broker.port)

    def __enter__(self) -> "Subscriber":
        self._client.loop_start()
        assert self.subscribed.wait(10)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.messages.append((message.topic, message.payload.decode(), message.retain))

    def said(self, topic: str) -> list[str]:
        """All that came on a topic."""
        return [text for name, text, _ in list(self.messages) if name == topic]

    def sequences(self) -> list[int]:
        """Of the readings, as they came."""
        return [json.loads(text)["sequence"] for name, text, _ in list(self.messages) if name.endswith("/reading")]


class Relay:
    """Stands between a robot and its broker; ``cut`` swallows the broker's next answer and breaks the connection."""

    def __init__(self, port: int) -> None:
        self._to, self.cut = port, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            robot, _ = self._listener.accept()
            broker = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._pass_on, args=(robot, broker, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(broker, robot, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65_536):
                if answers and self.cut.is_set():
                    self.cut.clear()
                    break
                target.sendall(data)
        except OSError:
            pass  # the other direction has closed both
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it is closed already


def scripted_broker(*answers: bytes) -> int:
    """What plays a broker to the first one who comes: after each of its messages the next answer. Returns the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def play() -> None:
        with listener, listener.accept()[0] as peer:
            for answer in answers:
                time.sleep(0.05)  # what belongs together has come by then
                peer.recv(100_000)
                peer.sendall(answer)
            time.sleep(0.2)

    threading.Thread(target=play, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port
