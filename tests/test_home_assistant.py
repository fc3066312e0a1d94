"""Home Assistant finds the robot's sensors by itself, and understands what it reads."""

import json
import re

import pytest

from edge.errors import M3erError
from edge.publish.home_assistant import discovery, discovery_topic
from edge.reading import MODALITIES, UNKNOWN, Pace
from tests import made_mqtt
from tests.made_mqtt import AVAILABILITY, READING, TOPIC, publisher, reading, real, until
from tests.real.mosquitto import Mosquitto
from tests.real.mqtt_peers import Subscriber
from tests.test_publish import LABELS, scene

broker, mqtt_secrets = made_mqtt.broker, made_mqtt.mqtt_secrets
pytestmark = pytest.mark.usefixtures("mqtt_secrets")


@real
def test_home_assistant_is_told_at_each_connection(broker: Mosquitto) -> None:
    with Subscriber(broker) as seen:
        robot = publisher(broker)
        robot.publish(reading(0))
        until(lambda: len(seen.said(discovery_topic("robbie"))) == 1, "the discovery message")
        broker.end()
        broker.start()
        with pytest.raises(M3erError, match="the connection broke"):
            robot.publish(reading(1))
        robot.publish(reading(1))
        until(lambda: len(seen.said(discovery_topic("robbie"))) >= 2, "it comes again")
        robot.close()
    with Subscriber(broker, "homeassistant/#", "late") as late:
        until(lambda: bool(late.messages), "it is retained")
        topic, text, retained = late.messages[0]
    assert (topic, retained) == ("homeassistant/device/m3er-robbie/config", True)
    sensors = json.loads(text)["components"]
    assert list(sensors) == ["emotion", "confidence", *MODALITIES, "faces", "latency"]  # no temperature is known


def test_home_assistant_finds_all_it_is_promised() -> None:
    jinja2 = pytest.importorskip("jinja2")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    config = json.loads(discovery("robbie", "Röbbie", LABELS, TOPIC, AVAILABILITY, has_temperature=True))
    assert config["device"]["identifiers"] == ["m3er-robbie"] and config["device"]["name"] == "Röbbie"
    assert config["origin"]["name"]
    pace = Pace(hop_s=0.5, frame_rate_hz=10, temperature_c=61.26)
    latency_ms = {"capture_to_reading": 41.6}
    readings = [
        *(made.model_copy(update={"pace": pace, "latency_ms": latency_ms}) for made in scene()),
        READING.model_copy(update={"modalities": {}, "latency_ms": {}, "emotion": UNKNOWN, "pace": None}),
    ]
    ids = {sensor["unique_id"] for sensor in config["components"].values()}
    assert len(ids) == len(config["components"]) == 8
    for made in readings:
        told = {"value_json": json.loads(made.to_json())}
        values = {}
        for key, sensor in config["components"].items():
            assert sensor["platform"] == "sensor"
            assert (sensor["state_topic"], sensor["availability_topic"]) == (TOPIC, AVAILABILITY)
            values[key] = environment.from_string(sensor["value_template"]).render(told)
            if sensor.get("device_class") == "enum":
                assert values[key] in sensor["options"]
                assert not {"state_class", "unit_of_measurement"} & set(sensor)
            else:
                assert values[key] == "None" or float(values[key]) >= 0
        assert values["emotion"] == made.emotion
        assert values["confidence"] == str(round(100 * made.confidence))
        assert values["latency"] == ("42" if made.latency_ms else "None")
        assert values["temperature"] == ("61" if made.pace else "None")
        for modality in MODALITIES:
            sensor = config["components"][modality]
            assert sensor["json_attributes_topic"] == TOPIC
            attributes = json.loads(environment.from_string(sensor["json_attributes_template"]).render(told))
            part = made.modalities.get(modality)
            assert values[modality] == (part.state if part else "absent")
            assert attributes == {"reason": part.reason if part else None}


# Home Assistant drops what it does not know without a word, so each name must be one that it knows. These are of the
# schemas in its own homeassistant/components/mqtt (2026.2.3), which this message was tried with.
_DEVICE = {"identifiers", "connections", "name", "manufacturer", "model", "model_id", "serial_number", "hw_version"}
_DEVICE |= {"sw_version", "suggested_area", "configuration_url", "via_device"}
_ORIGIN = {"name", "sw_version", "support_url"}
_SENSOR = {"platform", "unique_id", "name", "icon", "device_class", "state_class", "unit_of_measurement", "options"}
_SENSOR |= {"state_topic", "value_template", "expire_after", "qos", "entity_category", "availability_topic"}
_SENSOR |= {"json_attributes_topic", "json_attributes_template"}
_UNITS = {"duration": "ms", "temperature": "°C", None: "%"}


def test_every_word_of_the_discovery_is_one_that_home_assistant_knows() -> None:
    config = json.loads(discovery("robbie", "Robbie", LABELS, TOPIC, AVAILABILITY, has_temperature=True))
    assert set(config) == {"device", "origin", "components"}
    assert set(config["device"]) <= _DEVICE and set(config["origin"]) <= _ORIGIN
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", discovery_topic("robbie"))
    for sensor in config["components"].values():
        assert set(sensor) <= _SENSOR
        is_enum = sensor.get("device_class") == "enum"
        assert is_enum == ("options" in sensor)  # each wants the other, and neither a unit nor a state class
        if is_enum:
            assert sensor["options"] and len(set(sensor["options"])) == len(sensor["options"])
        if "unit_of_measurement" in sensor:
            assert sensor["unit_of_measurement"] == _UNITS[sensor.get("device_class")]
        assert sensor.get("state_class") in (None, "measurement")
        assert sensor.get("entity_category") in (None, "diagnostic")
        assert sensor.get("icon", "mdi:").startswith("mdi:")
        assert isinstance(sensor["expire_after"], int) and sensor["expire_after"] > 0 and sensor["qos"] in (0, 1, 2)
