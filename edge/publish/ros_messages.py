"""Readings as ROS 2 messages, in the form that rosbridge's JSON has: no ROS is needed for that.

What ROS has no word for is said in no word of it: an emotion that hri_msgs does not list is an empty expression, and
valence and arousal, which no reading has, stay at ROS's own default of 0. They cannot be NaN: JSON has none, rosbridge
refuses a message with a null in a number's place, and a bare ``NaN`` stops up some of its JSON readers for good.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from edge.reading import UNKNOWN, Modality, ModalityReading, Reading

Message = dict[str, Any]

EXPRESSIONS: Mapping[str, str] = {
    "anger": "angry",
    "angry": "angry",
    "disgust": "disgusted",
    "disgusted": "disgusted",
    "excited": "excited",
    "fear": "scared",
    "fearful": "scared",
    "happiness": "happy",
    "happy": "happy",
    "joy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "sadness": "sad",
    "surprise": "surprised",
    "surprised": "surprised",
}
"""What hri_msgs/Expression calls an emotion; an emotion that is not here, and ``unknown``, it has no name for."""

Level = Literal[0, 1, 2, 3]
OK: Level = 0
WARN: Level = 1
ERROR: Level = 2
STALE: Level = 3
"""The levels of diagnostic_msgs/DiagnosticStatus."""

# Why a modality is not live although nothing is broken: that is how people are, or how the robot was set up.
_NORMAL = {
    *("no face", "silence", "no words", "unclear words", "just began"),
    *("no camera", "no microphone", "no recogniser"),
}
_NO_SAMPLES = {"no picture", "no sound"}
_DEVICES: Mapping[Modality, str] = {"face": "camera", "speech": "microphone", "text": "recogniser"}
_BEGINS_OF_DEVICE_TROUBLE = ("camera ", "microphone ", "words ")


@dataclass(frozen=True)
class RosTopic:
    """A topic that is published, and what for.

    Attributes:
        name: of the topic; in place of ``PREFIX`` stands what the URL names after its host, ``m3er`` if nothing.
        type: of its messages.
        rate: how often.
        content: what the message says.
    """

    name: str
    type: str
    rate: str
    content: str


EXPRESSION = RosTopic(
    "/PREFIX/expression",
    "hri_msgs/msg/Expression",
    "every reading",
    "the emotion in the words of hri_msgs, and its confidence; empty, with confidence 0, for 'unknown' and for an "
    "emotion that hri_msgs does not name; valence and arousal are always 0: they are not measured",
)
WHOLE = RosTopic("/PREFIX/reading", "std_msgs/msg/String", "every reading", "the whole reading as JSON, as below")
DIAGNOSTICS = RosTopic(
    "/diagnostics",
    "diagnostic_msgs/msg/DiagnosticArray",
    "at most once a second",
    "a status for each modality and one for the run: levels as below, ages, qualities, latencies, pace, temperature",
)
ROS_TOPICS = (EXPRESSION, WHOLE, DIAGNOSTICS)

LEVELS: Mapping[str, str] = {
    "OK": "live; or nothing is wrong with it: no face, silence, no words, a device that was not asked for",
    "WARN": "it gives samples that are of no use now: dark, noise, uncorrelated; or it is just starting; the run: "
    "slower under load or heat",
    "ERROR": "its device gives nothing; the message says why",
    "STALE": "its newest sample is too old, and nothing is known of its device",
}


def unnamed(labels: Sequence[str]) -> list[str]:
    """Those of a bundle's emotions that hri_msgs/Expression has no name for."""
    return [label for label in labels if label.lower() not in EXPRESSIONS]


def stamp(time: str) -> Message:
    """builtin_interfaces/Time of a reading's wall-clock time, exact to its last digit."""
    moment = datetime.fromisoformat(time.replace("Z", "+00:00"))
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return {"sec": since.days * 86_400 + since.seconds, "nanosec": since.microseconds * 1000}


def expression(reading: Reading) -> Message:
    """hri_msgs/Expression: the emotion in its words."""
    name = EXPRESSIONS.get(reading.emotion.lower(), "") if reading.emotion != UNKNOWN else ""
    confidence = reading.confidence if name else 0.0
    return {
        "header": _header(reading),
        "expression": name,
        "valence": 0.0,
        "arousal": 0.0,
        "confidence": float(confidence),
    }


def whole(reading: Reading) -> Message:
    """std_msgs/String: the reading as it is, in JSON."""
    return {"data": reading.to_json()}


def diagnostics(reading: Reading, name: str) -> Message:
    """diagnostic_msgs/DiagnosticArray: how each modality and the run are.

    Args:
        name: of this device, which begins the name of every status: "m3er".
    """
    parts = [_modality_status(name, modality, part) for modality, part in reading.modalities.items()]
    return {"header": _header(reading), "status": [*parts, _run_status(name, reading)]}


def level(part: ModalityReading) -> Level:
    """How well a modality is; a person who is away or silent is nothing to warn of."""
    reason = part.reason
    if reason is None or reason in _NORMAL:
        return OK
    if reason in _NO_SAMPLES:
        return STALE
    if reason.startswith(_BEGINS_OF_DEVICE_TROUBLE) and not reason.endswith("starting"):
        return ERROR
    return WARN


def _header(reading: Reading) -> Message:
    return {"stamp": stamp(reading.time), "frame_id": ""}


def _modality_status(name: str, modality: Modality, part: ModalityReading) -> Message:
    values = part.model_dump(exclude={"reason"}, exclude_none=True)
    return _status(f"{name}: {modality}", level(part), part.reason or "live", _DEVICES[modality], values)


def _run_status(name: str, reading: Reading) -> Message:
    pace = reading.pace
    slowed_by = pace.slowed_by if pace is not None else None
    values = {
        "sequence": reading.sequence,
        "faces": reading.faces,
        "evidence": reading.evidence,
        **({} if pace is None else pace.model_dump(exclude={"slowed_by"}, exclude_none=True)),
        **{f"latency_ms.{part}": latency_ms for part, latency_ms in reading.latency_ms.items()},
        "bundle": reading.bundle,
    }
    message = f"slowed by {slowed_by}" if slowed_by else "at its full pace"
    return _status(f"{name}: run", WARN if slowed_by else OK, message, "", values)


def _status(name: str, how: Level, message: str, hardware: str, values: Mapping[str, Any]) -> Message:
    return {
        "level": how,
        "name": name,
        "message": message,
        "hardware_id": hardware,
        "values": [{"key": key, "value": _text(value)} for key, value in values.items()],
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
