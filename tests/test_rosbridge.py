"""Readings to ROS 2 through rosbridge: every field as ROS wants it, each reading once and in order."""

import time

from edge.publish import ros_messages
from edge.publish.background import Background
from edge.publish.rosbridge import Rosbridge
from edge.reading import MODALITIES, ModalityReading, Pace, Reading
from tests import made_rosbridge
from tests.made_rosbridge import DIAGNOSTICS, EXPRESSION, WHOLE, numbers, publisher_of, reading
from tests.real.rosbridge import RosbridgeServer
from tests.test_publish import LABELS, scene

server = made_rosbridge.server


def test_each_topic_is_advertised_and_every_message_is_valid(server: RosbridgeServer) -> None:
    publisher = publisher_of(server)
    published = [reading(n, time=f"2026-01-05T10:00:00.{n:03}Z") for n, _ in enumerate(scene(70))]
    for one in published:
        publisher.publish(one)
    publisher.close()
    heard = server.wait_for(2 * 70 + 3 + 1)
    assert [h for h in heard if h.wrong] == []
    assert [h.topic for h in heard[:3]] == [EXPRESSION, WHOLE, DIAGNOSTICS]
    assert {h.op for h in heard[:3]} == {"advertise"}
    whole = server.heard("publish", WHOLE)
    assert [Reading.model_validate_json(h.message["data"]) for h in whole] == published


def test_a_reading_of_a_real_run_is_valid(server: RosbridgeServer) -> None:
    part = ModalityReading(state="proxy", reason="noise", age_s=0.0, quality=1, density=2.5, damage=-17.666)
    pace = Pace(hop_s=1, frame_rate_hz=7.5, slowed_by="heat", temperature_c=81)
    one = reading(3, modalities=dict.fromkeys(MODALITIES, part), pace=pace, confidence=1, emotion="happy")
    publisher = publisher_of(server)
    publisher.publish(one)
    publisher.close()
    heard = server.wait_for(6)
    assert [h.wrong for h in heard if h.wrong] == []
    statuses = {s["name"]: s for s in server.heard("publish", DIAGNOSTICS)[0].message["status"]}
    assert set(statuses) == {"m3er: face", "m3er: speech", "m3er: text", "m3er: run"}
    assert statuses["m3er: speech"]["message"] == "noise"
    assert statuses["m3er: speech"]["hardware_id"] == "microphone"
    assert {"key": "age_s", "value": "0.0"} in statuses["m3er: face"]["values"]
    assert statuses["m3er: run"]["level"] == ros_messages.WARN
    assert {"key": "temperature_c", "value": "81.0"} in statuses["m3er: run"]["values"]


def test_diagnostics_come_at_most_once_a_second_and_go_on(server: RosbridgeServer) -> None:
    publisher, began_s = publisher_of(server), time.monotonic()
    for number in range(25):
        publisher.publish(reading(number))
        time.sleep(0.1)
    took_s = time.monotonic() - began_s
    publisher.close()
    server.wait_for(25, "publish", WHOLE)
    assert 2 <= len(server.heard("publish", DIAGNOSTICS)) <= 1 + took_s


def test_a_prefix_is_that_of_its_topics(server: RosbridgeServer) -> None:
    publisher = Rosbridge(f"{server.url}/humans/faces/f23bd/", LABELS)
    publisher.publish(reading())
    publisher.close()
    heard = server.wait_for(6)
    expected = {"/humans/faces/f23bd/expression", "/humans/faces/f23bd/reading", "/diagnostics"}
    assert {h.topic for h in heard} == expected
    assert not any(h.wrong for h in heard)


def test_a_thousand_readings_arrive_once_each_and_in_order(server: RosbridgeServer) -> None:
    background = Background(publisher_of(server), "rosbridge", most=1000)
    for number in range(1000):
        background.publish(reading(number))
    server.wait_for(1000, "publish", WHOLE)
    background.close()
    assert numbers(server.heard()) == list(range(1000))
    assert background.dropped == 0
