"""The documentation of topics and messages says all of it, and nothing twice."""

from pathlib import Path

import pytest

import edge.publish.topics
from edge.cli import main
from edge.publish.ros_messages import EXPRESSIONS, ROS_TOPICS
from edge.publish.topics import TOPICS, Topic, schema_fields, topics_markdown
from edge.reading import ModalityReading, Pace, Reading
from tests.real.ros_definitions import EXPRESSION_NAMES


def test_every_field_of_a_reading_is_documented_and_no_other() -> None:
    names = [field.name for field in schema_fields()]
    expected = {field.alias or name for name, field in Reading.model_fields.items()}
    expected |= {f"modalities.<face>.{name}" for name in ModalityReading.model_fields}
    expected |= {f"pace.{name}" for name in Pace.model_fields}
    assert set(names) == expected
    assert len(names) == len(expected)


def test_every_field_of_a_reading_has_a_description() -> None:
    assert [field.name for field in schema_fields() if not field.description] == []


def test_units_are_those_of_the_names() -> None:
    units = {field.name: field.unit for field in schema_fields()}
    assert {name: unit for name, unit in units.items() if unit} == {
        "t": "s",
        "latency_ms": "ms",
        "modalities.<face>.age_s": "s",
        "pace.hop_s": "s",
        "pace.frame_rate_hz": "Hz",
        "pace.temperature_c": "°C",
    }


def test_types_say_what_a_reader_may_meet() -> None:
    types = {field.name: field.type for field in schema_fields()}
    assert types["sequence"] == "integer ≥ 0"
    assert types["confidence"] == "number ≥ 0, ≤ 1"
    assert types["modalities.<face>.state"] == "`live` or `proxy` or `absent`"
    assert types["pace"] == "object or null"
    assert types["pace.hop_s"] == "number > 0"
    assert types["latency_ms"] == "map of numbers"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: f"{topic.way} {topic.name}")
def test_each_topic_stands_in_the_documentation_once(topic: Topic) -> None:
    assert topics_markdown().count(f"| {topic.way} | `{topic.name}` |") == 1


def test_the_topics_of_ros_are_those_that_are_published() -> None:
    assert [topic.name for topic in TOPICS if topic.way == "ROS 2"] == [topic.name for topic in ROS_TOPICS]


def test_the_tables_are_tables() -> None:
    """Every row of a table has as many cells as its head, whatever its text has in it."""
    for block in topics_markdown().split("\n\n"):
        rows = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1, block


def test_the_expressions_are_ones_that_ros_has() -> None:
    assert set(EXPRESSIONS.values()) <= EXPRESSION_NAMES


def test_the_page_of_topics_and_messages_is_the_schema_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--markdown"]) == 0
    page = Path(edge.publish.topics.__file__).with_name("README.md")
    assert page.read_text(encoding="utf-8") == capsys.readouterr().out, "m3er-edge schema --markdown > " + page.name
