"""Everything that is published, and under which name; the documentation of it is generated from here.

The fields of a reading and what they mean stand in one place, ``edge.reading``; its JSON schema has them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge.publish.home_assistant import discovery_topic
from edge.publish.page_server import PICTURES, READINGS
from edge.publish.ros_messages import EXPRESSIONS, LEVELS, ROS_TOPICS
from edge.reading import MODALITIES, UNKNOWN, json_schema

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Topic:
    """One thing that is published.

    Attributes:
        way: through which: "MQTT".
        name: of the topic, or the address; words in capitals stand for what differs from device to device.
        message: its format.
        rate: how often.
        content: what the message says.
    """

    way: str
    name: str
    message: str
    rate: str
    content: str


_READING = "the whole reading, as below"

TOPICS: tuple[Topic, ...] = (
    Topic("MQTT", "PREFIX/DEVICE/reading", "JSON, QoS 1", "every reading", _READING),
    Topic(
        "MQTT",
        "PREFIX/DEVICE/availability",
        "`online` or `offline`, QoS 1, retained",
        "when it changes",
        "whether the device publishes; the broker itself says `offline` when the device is gone",
    ),
    Topic(
        "MQTT",
        discovery_topic("DEVICE"),
        "JSON, QoS 1, retained",
        "at each connection",
        "Home Assistant's discovery: emotion, confidence and the state of each modality appear there by themselves",
    ),
    *(Topic("ROS 2", topic.name, topic.type, topic.rate, topic.content) for topic in ROS_TOPICS),
    Topic("zenoh", "PREFIX/DEVICE/reading", "JSON, reliable", "every reading", _READING),
    Topic(
        "WebSocket",
        f"ws://ADDRESS:PORT{READINGS}",
        "JSON, text",
        "every reading",
        '`{"kind": "reading", "reading": …}`, the whole reading; before the first, once each, what the page needs to '
        'draw it (`"kind": "config"`) and the last minute (`"kind": "history"`, `readings`)',
    ),
    Topic(
        "WebSocket",
        f"ws://ADDRESS:PORT{PICTURES}",
        "binary",
        "at most five a second",
        "only with `--page-video`: the followed face's x, y, width and height in pixels, 16 bits each, big-endian, "
        "all 0 if there is none; then the picture as JPEG",
    ),
)

# What a name ends with says the unit.
_UNITS = {"_s": "s", "_ms": "ms", "_hz": "Hz", "_c": "°C"}
_UNITS_OF = {"t": "s"}


@dataclass(frozen=True)
class SchemaField:
    """One field of a reading, or of a part of it.

    Attributes:
        name: with dots where it is part of another; ``<face>`` stands for any key of a map.
        type: of its value, in JSON's words.
        unit: of its value; empty if it has none.
        description: what it means; empty if the schema does not say.
    """

    name: str
    type: str
    unit: str
    description: str


def schema_fields() -> list[SchemaField]:
    """Every field of a reading, in its order, those of its parts, too."""
    schema = json_schema()
    return list(_fields(schema, schema, ""))


def topics_markdown() -> str:
    """The documentation of all topics and messages, in Markdown."""
    names: dict[str, list[str]] = {}
    for label, name in EXPRESSIONS.items():
        names.setdefault(name, []).append(f"`{label}`")
    blocks = [
        "## Topics",
        "DEVICE is the device's name, PREFIX what the URL of `--publish` names after its host: `m3er` if nothing.",
        _table(
            ("through", "topic or address", "message", "how often", "content"),
            ((t.way, f"`{t.name}`", _code(t.message), t.rate, t.content) for t in TOPICS),
        ),
        "## A reading",
        "One JSON object. `m3er-edge schema` prints its JSON schema.",
        _table(
            ("field", "type", "unit", "meaning"),
            ((f"`{f.name}`", f.type, f.unit, f.description) for f in schema_fields()),
        ),
        "## In ROS 2's words",
        "`hri_msgs` must be installed where rosbridge runs; if it is not, the other two topics go on. rosbridge_suite "
        "says so only in its own log; servers that send `status` operations have them logged here. "
        "Time stamps are those of the reading; `frame_id` is empty.",
        _table(
            ("`expression`", "emotions of a bundle"),
            [
                *((f"`{name}`", ", ".join(labels)) for name, labels in names.items()),
                ("empty", f"`{UNKNOWN}`, and every other label"),
            ],
        ),
        _table(("level of a diagnostic status", "of a modality"), ((f"`{n}`", text) for n, text in LEVELS.items())),
    ]
    return "\n\n".join(blocks) + "\n"


def _fields(schema: Schema, whole: Schema, parent: str) -> Iterator[SchemaField]:
    for name, field in schema["properties"].items():
        yield _field(field, whole, name, parent + name)
        inner, path = field, parent + name
        if "additionalProperties" in field and isinstance(field["additionalProperties"], dict):
            inner, path = field["additionalProperties"], f"{path}.<{MODALITIES[0]}>"
        for part in _options(inner):
            if "$ref" in part:
                yield from _fields(_resolved(part, whole), whole, f"{path}.")


def _field(field: Schema, whole: Schema, name: str, path: str) -> SchemaField:
    unit = _UNITS_OF.get(path, "")
    unit = unit or next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")
    return SchemaField(path, " or ".join(_type(part) for part in _options(field)), unit, field.get("description", ""))


def _options(field: Schema) -> list[Schema]:
    options: list[Schema] = field.get("anyOf", [field])
    return options


def _resolved(part: Schema, whole: Schema) -> Schema:
    found: Schema = whole["$defs"][part["$ref"].rpartition("/")[2]]
    return found


def _type(part: Schema) -> str:
    if "enum" in part:
        return " or ".join(f"`{value}`" for value in part["enum"])
    if "$ref" in part:
        return "object"
    kind: str = part["type"]
    if kind == "object":
        return f"map of {_type(part['additionalProperties'])}s"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
    limits = [f"{sign} {part[name]:g}" for name, sign in signs.items() if name in part]
    return " ".join([kind, ", ".join(limits)]) if limits else kind


def _code(message: str) -> str:
    return f"`{message}`" if "/" in message else message


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])
