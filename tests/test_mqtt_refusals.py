"""What a broker may have against a robot, and how the robot says so."""

import pytest

from edge.errors import M3erError
from edge.publish.home_assistant import discovery_topic
from edge.publish.mqtt import Mqtt
from tests import made_mqtt
from tests.made_mqtt import AVAILABILITY, TOPIC, publisher, reading, real
from tests.real import mosquitto
from tests.real.mosquitto import Mosquitto
from tests.real.mqtt_peers import scripted_broker
from tests.test_publish import LABELS

broker, mqtt_secrets = made_mqtt.broker, made_mqtt.mqtt_secrets
pytestmark = pytest.mark.usefixtures("mqtt_secrets")


def _hex(text: str) -> bytes:
    return bytes.fromhex(text)


_LET_IN, _INTRODUCED = _hex("20 03 00 00 00"), _hex("40 02 00 01 40 02 00 02")  # CONNACK; PUBACK of both messages


def test_a_host_that_is_not_there() -> None:
    with pytest.raises(M3erError, match=r"mqtt://no-such-host.invalid:1883: unknown host"):
        Mqtt("mqtt://no-such-host.invalid", LABELS).publish(reading(0))


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "MQTT 5|closes the connection"),
        ([_hex("20 02 00 01")], "does not speak MQTT 5; use"),  # MQTT 3.1.1: unacceptable protocol version
        ([_hex("20 03 00 88 00")], "lets nobody in: server unavailable"),
        ([_LET_IN, _INTRODUCED, _hex("40 04 00 03 97 00")], "did not take m3er/robbie/reading: quota exceeded"),
        ([_LET_IN, _INTRODUCED, _hex("e0 01 8e")], "the connection broke .session taken over.*called m3er-robbie"),
        ([_LET_IN, _INTRODUCED, b""], "the connection broke .without a word."),
    ],
)
def test_what_a_broker_answers(answers: list[bytes], says: str) -> None:
    robot = Mqtt(f"mqtt://127.0.0.1:{scripted_broker(*answers)}", LABELS, "robbie")
    with pytest.raises(M3erError, match=says):
        robot.publish(reading(0))


@real
def test_rights_that_are_missing_are_said(caplog: pytest.LogCaptureFixture) -> None:
    with Mosquitto(rights=f"user {mosquitto.USER}\ntopic write {AVAILABILITY}\n") as broker:
        broker.start()
        robot = publisher(broker)
        for _ in range(2):
            with pytest.raises(M3erError, match=f"robot may not write {TOPIC}"):
                robot.publish(reading(0))
        assert [record.getMessage() for record in caplog.records] == [
            f"mqtt://localhost:{broker.port}: Home Assistant will not find this device: not allowed to write "
            f"{discovery_topic('robbie')}"
        ]
        robot.close()


@real
def test_two_robots_of_one_name_are_told(broker: Mosquitto) -> None:
    one, other = publisher(broker), publisher(broker)
    one.publish(reading(0))
    other.publish(reading(0))
    with pytest.raises(M3erError, match=r"the connection broke.*no other client is called m3er-robbie"):
        one.publish(reading(1))
    other.publish(reading(1))
    one.close()
    other.close()
