"""Readings as ROS 2 messages: valid whatever a reading holds, and claiming nothing that it does not say."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.publish import ros_messages
from edge.publish.rosbridge import Rosbridge
from edge.reading import MODALITIES, UNKNOWN, ModalityReading, Reading
from tests.real.ros_definitions import DEFINITIONS, EXPRESSION_NAMES, problem
from tests.test_publish import LABELS, scene

_READING = scene(1)[0]


def reading(**update: object) -> Reading:
    """A reading with these of its fields."""
    return _READING.model_copy(update=update)


@given(
    emotion=st.sampled_from([*LABELS, UNKNOWN, "contempt", "joy", "SAD"]),
    confidence=st.floats(0, 1),
    part=st.builds(
        ModalityReading,
        state=st.sampled_from(["live", "proxy", "absent"]),
        reason=st.none() | st.text(),
        age_s=st.none() | st.floats(0, 1e9),
        quality=st.none() | st.floats(0, 1),
        density=st.none() | st.floats(0, 1e300),
        damage=st.none() | st.floats(-1e300, 1e300),
    ),
    latency_ms=st.dictionaries(st.text(), st.floats(0, 1e12)),
    milliseconds=st.integers(0, 4_102_444_800_000),
)
def test_whatever_a_reading_holds_its_messages_are_ros_messages_in_strict_json(
    emotion: str, confidence: float, part: ModalityReading, latency_ms: dict[str, float], milliseconds: int
) -> None:
    seconds, rest = divmod(milliseconds, 1000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03}Z"
    one = reading(emotion=emotion, confidence=confidence, latency_ms=latency_ms, time=moment)
    one = one.model_copy(update={"modalities": dict.fromkeys(MODALITIES, part)})
    messages = {
        "hri_msgs/msg/Expression": ros_messages.expression(one),
        "std_msgs/msg/String": ros_messages.whole(one),
        "diagnostic_msgs/msg/DiagnosticArray": ros_messages.diagnostics(one, "m3er"),
    }
    for kind, message in messages.items():
        again = json.loads(json.dumps(message, allow_nan=False))
        if seconds < 2**31:
            assert problem(again, kind) is None
        if "header" in DEFINITIONS[kind]:
            assert again["header"]["stamp"] == {"sec": seconds, "nanosec": rest * 1_000_000}
    assert messages["hri_msgs/msg/Expression"]["expression"] in {"", *EXPRESSION_NAMES}


@pytest.mark.parametrize(
    ("label", "name"),
    [*zip(LABELS, ["angry", "disgusted", "scared", "happy", "neutral", "sad", "surprised"], strict=True)],
)
def test_our_emotions_have_the_names_that_ros_gives_them(label: str, name: str) -> None:
    said = ros_messages.expression(reading(emotion=label, confidence=0.75))
    assert (said["expression"], said["confidence"]) == (name, 0.75)


@pytest.mark.parametrize("label", [UNKNOWN, "contempt"])
def test_what_ros_has_no_name_for_is_claimed_to_be_nothing(label: str) -> None:
    said = ros_messages.expression(reading(emotion=label, confidence=0.4))
    assert (said["expression"], said["confidence"], said["valence"], said["arousal"]) == ("", 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("reason", "level"),
    [
        (None, ros_messages.OK),
        *((reason, ros_messages.OK) for reason in ("no face", "silence", "no words", "no camera", "just began")),
        *((reason, ros_messages.WARN) for reason in ("noise", "dark", "uncorrelated", "camera starting")),
        *((reason, ros_messages.ERROR) for reason in ("camera not found", "microphone hangs")),
        *((reason, ros_messages.STALE) for reason in ("no picture", "no sound")),
    ],
)
def test_the_level_says_how_the_device_is_and_not_how_the_person_is(reason: str | None, level: int) -> None:
    assert ros_messages.level(ModalityReading(state="absent", reason=reason)) == level


def test_an_emotion_without_a_name_in_ros_is_told_when_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    Rosbridge("rosbridge://127.0.0.1", ["happy", "contempt"])
    assert "contempt" in caplog.text
    caplog.clear()
    Rosbridge("rosbridge://127.0.0.1", LABELS)
    assert not caplog.records


def test_types_have_the_three_parts_that_rosbridge_for_ros_2_asks_for() -> None:
    """Its loader splits at the slashes and refuses what is not package, kind and name, as ``hri_msgs/Expression``."""
    for topic in ros_messages.ROS_TOPICS:
        _package, kind, _name = topic.type.split("/")
        assert kind == "msg" and topic.type in DEFINITIONS


def test_levels_are_plain_numbers_and_those_of_diagnostic_msgs() -> None:
    """rosbridge makes an octet of an integer, and refuses a string in its place."""
    assert [ros_messages.OK, ros_messages.WARN, ros_messages.ERROR, ros_messages.STALE] == [0, 1, 2, 3]
    for status in ros_messages.diagnostics(_READING, "m3er")["status"]:
        assert type(status["level"]) is int
        assert all(type(pair["value"]) is str for pair in status["values"])  # KeyValue holds strings alone


def test_a_message_of_the_older_hri_msgs_would_be_refused() -> None:
    """Its first version had numbers for expressions and no confidence: the test's definitions are not those."""
    said = ros_messages.expression(_READING)
    assert isinstance(said["expression"], str) and set(said) == {*DEFINITIONS["hri_msgs/msg/Expression"]}
    assert problem({**said, "expression": 1}, "hri_msgs/msg/Expression") is not None
    assert list(said["header"]["stamp"]) == ["sec", "nanosec"]  # as ROS 2 says it, not secs and nsecs
