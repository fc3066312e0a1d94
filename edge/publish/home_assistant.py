"""What Home Assistant is told over MQTT, so that a robot appears there by itself as one device with its sensors.

Device-based discovery, as of Home Assistant 2024.11: one retained message names the device and all of its sensors.
Each takes its value out of the reading's JSON by a template. Tried with the schemas and templates of 2026.2.3, which
drop without a word what they do not know.
"""

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from edge.reading import MODALITIES, UNKNOWN

_EXPIRE_AFTER_S = 15  # many times the longest hop: then the robot is on the network and its readings have stopped
_STATES = ("live", "proxy", "absent")
_NAMES = {"face": "Face", "speech": "Voice", "text": "Words"}
_ICONS = {"face": "mdi:face-recognition", "speech": "mdi:waveform", "text": "mdi:message-text"}

Sensor = dict[str, object]


def discovery_topic(device: str) -> str:
    """Where Home Assistant, as it is shipped, looks for a device of this ID (letters, digits, ``_``, ``-``)."""
    return f"homeassistant/device/m3er-{device}/config"


def discovery(
    device: str, name: str, labels: Sequence[str], reading_topic: str, availability_topic: str, has_temperature: bool
) -> str:
    """The message for ``discovery_topic``, to be retained: JSON.

    Args:
        device: its ID.
        name: what people call it.
        labels: the bundle's emotions.
        reading_topic: where its readings come, as JSON.
        availability_topic: where ``online`` or ``offline`` stands.
        has_temperature: whether its readings tell the processor's temperature.
    """
    common: Sensor = {
        "platform": "sensor",
        "state_topic": reading_topic,
        "availability_topic": availability_topic,
        "expire_after": _EXPIRE_AFTER_S,
        "qos": 1,
    }
    sensors = _sensors(labels, reading_topic, has_temperature)
    return json.dumps(
        {
            "device": {"identifiers": [f"m3er-{device}"], "name": name, "model": "m3er-edge", "sw_version": _version()},
            "origin": {"name": "m3er-edge", "sw_version": _version()},
            "components": {
                key: {**common, "unique_id": f"m3er-{device}-{key}", **sensor} for key, sensor in sensors.items()
            },
        },
        ensure_ascii=False,
    )


def _sensors(labels: Sequence[str], reading_topic: str, has_temperature: bool) -> dict[str, Sensor]:
    """What is each sensor's own. Values are rounded: Home Assistant stores every change."""
    sensors: dict[str, Sensor] = {
        "emotion": {
            "name": "Emotion",
            "icon": "mdi:emoticon-outline",
            "device_class": "enum",
            "options": list(dict.fromkeys([*labels, UNKNOWN])),
            "value_template": "{{ value_json.emotion }}",
        },
        "confidence": {
            "name": "Confidence",
            "icon": "mdi:percent",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "value_template": "{{ (100 * value_json.confidence) | round | int }}",
        },
    }
    for modality in MODALITIES:
        part = f"(value_json.modalities.{modality} | default({{}}))"
        sensors[modality] = {
            "name": _NAMES[modality],
            "icon": _ICONS[modality],
            "device_class": "enum",
            "options": list(_STATES),
            "value_template": f"{{{{ {part}.state | default('absent') }}}}",
            "json_attributes_topic": reading_topic,
            "json_attributes_template": f"{{{{ {{'reason': {part}.reason | default(none)}} | tojson }}}}",
        }
    sensors["faces"] = {
        "name": "Faces",
        "icon": "mdi:account-multiple",
        "state_class": "measurement",
        "value_template": "{{ value_json.faces }}",
    }
    newest_ms = "value_json.latency_ms.capture_to_reading"
    sensors["latency"] = {
        "name": "Latency",
        "entity_category": "diagnostic",
        "device_class": "duration",
        "unit_of_measurement": "ms",
        "state_class": "measurement",
        # None is Home Assistant's word for a value that is not known.
        "value_template": f"{{{{ {newest_ms} | round | int if {newest_ms} is defined else none }}}}",
    }
    if has_temperature:
        known = "value_json.pace and value_json.pace.temperature_c is not none"
        sensors["temperature"] = {
            "name": "Processor temperature",
            "entity_category": "diagnostic",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "state_class": "measurement",
            "value_template": f"{{{{ value_json.pace.temperature_c | round | int if {known} else none }}}}",
        }
    return sensors


def _version() -> str:
    try:
        return version("m3er-edge")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "not installed"
