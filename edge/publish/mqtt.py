"""Readings to an MQTT broker, and to Home Assistant, which finds the robot there by itself."""

import logging
import time
from collections.abc import Callable, Sequence

from paho.mqtt import MQTTException
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import M3erError
from edge.publish.device_name import device_id, device_name
from edge.publish.home_assistant import discovery, discovery_topic
from edge.publish.mqtt_broker import PASSWORD, PASSWORD_FILE, USER, Broker, read_url, warn_of_leaks
from edge.reading import Reading

_log = logging.getLogger(__name__)

_ONLINE, _OFFLINE = "online", "offline"
_CONNECT_S, _ANSWER_S, _CLOSE_S = 2.0, 5.0, 0.5
_KEEPALIVE_S = 15
"""A robot that loses its network is offline for others after one and a half of it."""
_NO_LOGIN, _OLD_PROTOCOL = (0x86, 0x87), (0x01, 0x84)


class Mqtt:
    """Publishes each reading as JSON on ``PREFIX/DEVICE/reading``, with QoS 1, not retained; speaks MQTT 5.

    ``PREFIX/DEVICE/availability`` holds ``online`` or ``offline``: retained, and the last will. It connects when a
    reading comes, and each time tells Home Assistant of its sensors.

    ``publish`` returns when the broker has acknowledged the reading. One whose ``publish`` raised because the broker
    hung is not sent again as long as that connection lives, but waited for. Each connection has a paho client of its
    own, so paho sends nothing again by itself. A reading comes twice only if the connection broke after the broker had
    taken it and before its acknowledgement was here: at most one for each broken connection. QoS 1 cannot rule that
    out; equal ``sequence`` and ``time`` tell. What a broker acknowledges and forgets when it dies is lost.

    Args:
        url: ``mqtt://[USER@]HOST[:1883][/PREFIX]``, PREFIX being ``m3er`` if not given; ``mqtts`` for TLS (8883), with
            the system's authorities or those in the file that M3ER_MQTT_CA names. USER also from M3ER_MQTT_USER; the
            password from M3ER_MQTT_PASSWORD, or from the first line of the file that M3ER_MQTT_PASSWORD_FILE names.
        labels: the bundle's emotions.
        name: the broker's other clients must have others; None: the host's name. DEVICE is made of its letters
            (of ASCII), digits, ``_`` and ``-``.

    Raises:
        M3erError: the URL, the file of authorities or that of the password cannot be used; says why.
    """

    def __init__(self, url: str, labels: Sequence[str], name: str | None = None) -> None:
        self._broker = read_url(url)
        self._labels = tuple(labels)
        self._name = name or device_name()
        self._device = device_id(self._name)
        base = f"{self._broker.prefix}/{self._device}"
        self._topic, self._availability = f"{base}/reading", f"{base}/availability"
        # Always the same: a broker that has not yet noticed the end of an older connection of ours ends it when we
        # come again, and not when we are online, with its will.
        self._client_id = base.replace("/", "-")
        self._connection: _Connection | None = None
        self._unanswered: tuple[Reading, int] | None = None  # what was sent on this connection, and its message ID
        self._closed = self._told_of_discovery = False
        self._broker.authorities()
        warn_of_leaks(self._broker)

    def publish(self, reading: Reading) -> None:
        """Hand one reading to the broker; returns when it has acknowledged it, mostly within milliseconds.

        Raises:
            M3erError: it has not, after some seconds at most; names the broker, what was wrong, and what to do.
        """
        if self._closed:  # to connect again would say that it is online
            raise RuntimeError(f"a reading came after {self._broker.name} was closed")
        connection = self._connected(reading)
        if self._unanswered is None or self._unanswered[0] != reading:
            self._unanswered = reading, connection.send(self._topic, reading.to_json())
        answer = connection.answer(self._unanswered[1], _ANSWER_S)
        if answer is None and not connection.is_lost:
            raise self._slow()
        self._unanswered = None
        if answer is None:
            raise self._lost(connection)
        self._check(answer, self._topic)

    def close(self) -> None:
        """Say ``offline`` and disconnect, within half a second; a broker that hangs has the last will for it."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.leave(self._availability, _OFFLINE)
        finally:
            connection.drop()

    def _connected(self, reading: Reading) -> "_Connection":
        """The connection, made now where there is none."""
        if self._connection is not None:
            if self._connection.is_alive():
                return self._connection
            raise self._lost(self._connection)
        connection = _Connection(self._broker, self._client_id)
        try:
            connection.open(self._availability)
            self._introduce(connection, reading)
        except BaseException:
            connection.drop()
            raise
        self._connection = connection
        _log.info("%s: readings go to %s", self._broker.name, self._topic)
        return connection

    def _introduce(self, connection: "_Connection", reading: Reading) -> None:
        """Say ``online``, and to Home Assistant what there is."""
        has_temperature = reading.pace is not None and reading.pace.temperature_c is not None
        config = discovery(
            self._device, self._name, self._labels, self._topic, self._availability, has_temperature=has_temperature
        )
        online = connection.send(self._availability, _ONLINE, retain=True)
        found = connection.send(discovery_topic(self._device), config, retain=True)
        answers = connection.answer(online, _ANSWER_S), connection.answer(found, _ANSWER_S)
        if answers[0] is None or answers[1] is None:
            raise self._lost(connection) if connection.is_lost else self._slow()
        self._check(answers[0], self._availability)
        if answers[1].is_failure and not self._told_of_discovery:
            self._told_of_discovery = True
            topic = discovery_topic(self._device)
            _log.warning(
                "%s: Home Assistant will not find this device: not allowed to write %s", self._broker.name, topic
            )

    def _check(self, answer: ReasonCode, topic: str) -> None:
        if answer.value in _NO_LOGIN:
            raise self._broker.error(f"{self._user} may not write {topic}; allow it in the broker's list of rights")
        if answer.is_failure:
            raise self._broker.error(f"did not take {topic}: {str(answer).lower()}; look into the broker's log")

    def _slow(self) -> M3erError:
        return self._broker.error(
            f"has not acknowledged a message within {_ANSWER_S:g} s; the broker or the network hangs or is too slow"
        )

    def _lost(self, connection: "_Connection") -> M3erError:
        connection.drop()
        self._connection = self._unanswered = None
        # Some brokers, such as Mosquitto 2.0, do not say that they have ended it for another client's sake.
        return self._broker.error(
            f"the connection broke ({connection.farewell or 'without a word'}); check that the broker runs, "
            f"the network, and that no other client is called {self._client_id}, too"
        )

    @property
    def _user(self) -> str:
        return self._broker.user or "an unnamed user"


class _Connection:
    """One connection to a broker, used by one thread at a time; what it says is QoS 1."""

    def __init__(self, broker: Broker, client_id: str) -> None:
        self._broker = broker
        # It never connects a second time.
        self._client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5, reconnect_on_failure=False)
        self._client.connect_timeout = _CONNECT_S
        self._client.on_connect, self._client.on_publish = self._greeted, self._answered
        self._client.on_disconnect = self._left
        self._greeting: ReasonCode | None = None
        self._answers: dict[int, ReasonCode] = {}
        self.is_lost = False
        self.farewell = ""  # why the broker has ended it, if it said so

    def open(self, will_topic: str) -> None:
        """Connect; returns when the broker has let us in.

        Raises:
            M3erError: it cannot be reached, is not to be trusted, or does not let us in.
        """
        if (context := self._broker.authorities()) is not None:
            self._client.tls_set_context(context)
        if self._broker.user is not None:
            self._client.username_pw_set(self._broker.user, self._broker.password())
        self._client.will_set(will_topic, _OFFLINE, qos=1, retain=True)
        try:
            # paho's clean start has the broker forget what it kept for an older connection: nothing of use to us.
            self._client.connect(self._broker.host, self._broker.port, _KEEPALIVE_S, clean_start=True)
        except OSError as error:
            raise self._broker.cause(error) from error
        self._turn_until(lambda: self._greeting is not None, _ANSWER_S)
        if self._greeting is None:
            raise self._broker.error(self._no_greeting())
        if self._greeting.value in _NO_LOGIN:
            raise self._broker.error(self._no_login())
        if self._greeting.value in _OLD_PROTOCOL:
            raise self._broker.error("does not speak MQTT 5; use a broker that does, as Mosquitto since 1.6")
        if self._greeting.is_failure:
            raise self._broker.error(f"lets nobody in: {str(self._greeting).lower()}; look into the broker's log")

    def send(self, topic: str, message: str, retain: bool = False) -> int:
        """Send a message; returns its ID, for ``answer``."""
        return self._client.publish(topic, message, qos=1, retain=retain).mid

    def answer(self, message_id: int, timeout_s: float) -> ReasonCode | None:
        """Wait for the acknowledgement of a message; None if it does not come."""
        self._turn_until(lambda: message_id in self._answers, timeout_s)
        return self._answers.pop(message_id, None)

    def is_alive(self) -> bool:
        """Whether the connection stands, as far as can be known now."""
        self._turn(0)
        return not self.is_lost

    def leave(self, topic: str, last_word: str) -> None:
        """Have a last word retained, and disconnect; if that takes too long, leave it to the will."""
        if not self.is_alive():
            return
        if self.answer(self.send(topic, last_word, retain=True), _CLOSE_S) is not None:
            self._client.disconnect()

    def drop(self) -> None:
        """Let go of the connection, without a word."""
        self._client.on_connect = self._client.on_publish = self._client.on_disconnect = None
        if (connection := self._client.socket()) is not None:
            connection.close()
        self.is_lost = True

    def _turn_until(self, happened: Callable[[], bool], timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        while not happened() and not self.is_lost:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            self._turn(left_s)

    def _turn(self, timeout_s: float) -> None:
        """Let paho read, write and keep the connection alive, for one message or until the time is over."""
        if self.is_lost:
            return
        try:
            if self._client.loop(timeout_s) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self.is_lost = True
        except MQTTException as error:
            self.is_lost = True
            raise self._broker.error(f"does not speak MQTT 5 ({error}); check the port") from error

    def _greeted(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        self._greeting = reason

    def _answered(
        self, _client: Client, _data: object, message_id: int, reason: ReasonCode, _more: Properties | None
    ) -> None:
        self._answers[message_id] = reason

    def _left(
        self, _client: Client, _data: object, flags: DisconnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        self.is_lost = True
        if flags.is_disconnect_packet_from_server:
            self.farewell = str(reason).lower()

    def _no_greeting(self) -> str:
        if not self.is_lost:
            return f"lets nobody in within {_ANSWER_S:g} s; the broker or the network hangs or is too slow"
        hint = "; if the port is for TLS, use mqtts://" if self._broker.scheme == "mqtt" else ""
        return f"closes the connection at once{hint}; look into the broker's log"

    def _no_login(self) -> str:
        if self._broker.user is None:
            return f"wants a user; set {USER} and {PASSWORD}"
        check = f"check {PASSWORD} or {PASSWORD_FILE}"
        return f"wrong user or password, or no right to connect (user {self._broker.user}); {check}"
