"""Readings through a real Mosquitto, which hangs, dies and comes back; nothing that need not be lost is lost."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import psutil
import pytest

from edge.errors import M3erError
from edge.publish import background, mqtt
from edge.publish.background import Background
from edge.publish.mqtt import Mqtt
from edge.reading import Reading
from tests import made_mqtt
from tests.made_mqtt import AVAILABILITY, TOPIC, publisher, reading, real, until
from tests.real import mosquitto
from tests.real.child import missing_commands
from tests.real.mosquitto import READER, READER_PASSWORD, Mosquitto
from tests.real.mqtt_peers import Relay, Subscriber
from tests.test_publish import LABELS

broker, mqtt_secrets = made_mqtt.broker, made_mqtt.mqtt_secrets
pytestmark = pytest.mark.usefixtures("mqtt_secrets")


@real
def test_a_reading_comes_as_json_and_the_robot_is_online_and_then_offline(broker: Mosquitto) -> None:
    with Subscriber(broker) as seen:
        robot = publisher(broker)
        robot.publish(reading(3))
        until(lambda: seen.sequences() == [3], "the reading")
        assert Reading.model_validate_json(seen.said(TOPIC)[0]) == reading(3)
        assert seen.said(AVAILABILITY) == ["online"]
        began_s = time.monotonic()
        robot.close()
        assert time.monotonic() - began_s < 1
        until(lambda: seen.said(AVAILABILITY) == ["online", "offline"], "offline")
        robot.close()
        with pytest.raises(RuntimeError):
            robot.publish(reading(4))
    with Subscriber(broker, "m3er/#", "late") as late:
        until(lambda: bool(late.messages), "what is retained")
        time.sleep(0.1)
        assert [(topic, text) for topic, text, retained in late.messages if retained] == [(AVAILABILITY, "offline")]
    # In good order, so that no will was needed.
    assert "Received DISCONNECT from m3er-robbie" in broker.log


@real
def test_topics_begin_as_the_url_says(broker: Mosquitto) -> None:
    with Subscriber(broker, "house/1/#") as seen:
        robot = Mqtt(f"mqtt://localhost:{broker.port}/house/1", LABELS, "Küche 2/x")
        robot.publish(reading(0))
        until(lambda: bool(seen.said("house/1/K-che-2-x/reading")), "a reading")
        robot.close()


@real
def test_a_broker_that_is_down_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    with Mosquitto() as broker:
        began_s = time.monotonic()
        place = Background(publisher(broker), "the broker")
        assert time.monotonic() - began_s < 2
        place.publish(reading(0))
        until(lambda: "refused the connection; start the broker" in caplog.text, "a clear message")
        broker.start()
        until(lambda: "the broker: works again" in caplog.text, "the reading is taken")
        place.close()
        assert place.dropped == 0


@real
def test_a_broker_that_hangs_gets_the_reading_once(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_ANSWER_S", 0.3)
    with Subscriber(broker) as seen:
        robot = publisher(broker)
        robot.publish(reading(0))
        broker.stop()
        for _ in range(3):
            with pytest.raises(M3erError, match=r"has not acknowledged.*hangs or is too slow"):
                robot.publish(reading(1))
        broker.go_on()
        robot.publish(reading(1))
        robot.publish(reading(2))
        until(lambda: seen.sequences()[-1:] == [2], "the last one")
        assert seen.sequences() == [0, 1, 2]
        broker.stop()
        began_s = time.monotonic()
        robot.close()
        assert time.monotonic() - began_s < 1
        broker.go_on()
        until(lambda: seen.said(AVAILABILITY)[-1] == "offline", "offline, said or willed")


@real
def test_a_broker_that_hangs_and_dies_gets_the_reading_when_it_is_back(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "_ANSWER_S", 0.3)
    robot = publisher(broker)
    robot.publish(reading(0))
    broker.stop()
    with pytest.raises(M3erError, match="has not acknowledged"):
        robot.publish(reading(1))
    broker.kill()
    with pytest.raises(M3erError, match="the connection broke"):
        robot.publish(reading(1))
    broker.start()
    with Subscriber(broker) as seen:
        robot.publish(reading(1))
        until(lambda: seen.sequences() == [1], "it came")
    robot.close()


@real
def test_a_broker_that_hangs_for_long_is_given_up_and_found_again(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "_ANSWER_S", 0.3)
    monkeypatch.setattr(mqtt, "_KEEPALIVE_S", 1)
    with Subscriber(broker) as seen:
        robot = publisher(broker)
        robot.publish(reading(0))
        broker.stop()

        def fails_with(says: str) -> bool:
            try:
                robot.publish(reading(1))
            except M3erError as error:
                return says in str(error)
            return False

        until(lambda: fails_with("the connection broke"), "no sign of life")
        until(lambda: fails_with("lets nobody in"), "tries again")
        broker.go_on()
        until(lambda: not fails_with(""), "it is taken")
        until(lambda: 1 in seen.sequences(), "it came")
        # Those that were begun while it hung end one after the other, each with its will.
        robot.publish(reading(2))
        until(lambda: seen.sequences()[-1:] == [2] and seen.said(AVAILABILITY)[-1] == "online", "online at last")
        assert Counter(seen.sequences())[1] <= 2
        robot.close()


@real
def test_a_broker_that_cannot_be_had_costs_no_files(broker: Mosquitto) -> None:
    robot = publisher(broker)
    robot.publish(reading(0))
    broker.end()
    before = psutil.Process().num_fds()
    for _ in range(20):
        with pytest.raises(M3erError):
            robot.publish(reading(1))
    assert psutil.Process().num_fds() <= before
    for _ in range(20):
        broker.start()
        robot.publish(reading(1))
        broker.kill()
        with pytest.raises(M3erError):
            robot.publish(reading(2))
    assert psutil.Process().num_fds() <= before


@real
def test_a_broker_that_hangs_at_the_greeting(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_ANSWER_S", 0.3)
    broker.stop()
    with pytest.raises(M3erError, match="lets nobody in within"):
        publisher(broker).publish(reading(0))
    broker.go_on()


@real
def test_a_reading_whose_acknowledgement_is_lost_comes_twice(broker: Mosquitto) -> None:
    """The one case that QoS 1 leaves open, here brought about; and a second time is the last."""
    relay = Relay(broker.port)
    with Subscriber(broker) as seen:
        robot = publisher(broker, port=relay.port)
        robot.publish(reading(0))
        relay.cut.set()
        with pytest.raises(M3erError, match="the connection broke"):
            robot.publish(reading(1))
        robot.publish(reading(1))
        robot.publish(reading(2))
        robot.close()
        until(lambda: 2 in seen.sequences(), "the last one")
    assert seen.sequences() == [0, 1, 1, 2]


@real
def test_a_thousand_readings_through_a_broker_that_is_killed(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    count, kills, again_at, came_at_kill = 1000, 0, None, 0
    taken_ms = []
    monkeypatch.setattr(background, "_FIRST_PAUSE_S", 0.05)  # so that there are more kills
    with Subscriber(broker) as seen:
        broker.save()  # from now on a killed broker still knows its subscriber
        place = Background(publisher(broker), "the broker", most=count)
        for number in range(count):
            began_s = time.monotonic()
            place.publish(reading(number))
            taken_ms.append(1e3 * (time.monotonic() - began_s))
            time.sleep(0.002)
            if again_at is None and len(seen.said(TOPIC)) >= came_at_kill + 60 and number < 950:
                broker.kill()
                kills, again_at, came_at_kill = kills + 1, number + 20, len(seen.said(TOPIC))
            elif number == again_at:
                broker.start()
                again_at = None
        until(lambda: place.waiting == 0, "all are taken", 60)
        place.close()
        until(lambda: seen.sequences()[-1:] == [count - 1], "the last one came", 60)
    came = Counter(seen.sequences())
    twice = sorted(number for number, times in came.items() if times > 1)
    p99_ms = float(np.percentile(taken_ms, 99))
    for name, value in (("kills", kills), ("came", len(came)), ("twice", len(twice)), ("publish_p99_ms", p99_ms)):
        record_property(name, value)
    print(f"{kills} kills: {len(came)} of {count} came, {len(twice)} of them twice; publish took {p99_ms:.3f} ms (p99)")
    assert place.dropped == 0
    assert sorted(came) == list(range(count))
    assert list(dict.fromkeys(seen.sequences())) == list(range(count))  # in order
    assert len(twice) <= kills >= 3 and max(came.values()) <= 2
    assert p99_ms < 1


@real
def test_what_a_full_queue_drops_is_counted_and_no_more_is_lost(broker: Mosquitto) -> None:
    with Subscriber(broker) as seen:
        broker.save()
        place = Background(publisher(broker), "the broker", most=50)
        place.publish(reading(0))
        until(lambda: place.waiting == 0, "the first is taken")
        broker.kill()
        for number in range(1, 201):
            place.publish(reading(number))
        assert place.dropped in (149, 150)  # one may be in hand
        broker.start()
        until(lambda: place.waiting == 0, "the rest is taken")
        place.close()
        until(lambda: seen.sequences()[-1:] == [200], "the last one came")
        came = seen.sequences()
    assert place.dropped == 201 - len(came)
    assert came == sorted(set(came)) and came[-50:] == list(range(151, 201))


@real
@pytest.mark.skipif(bool(missing_commands("mosquitto_sub")), reason=missing_commands("mosquitto_sub"))
def test_a_subscriber_that_reads_nothing_holds_nobody_up(broker: Mosquitto) -> None:
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-u", READER, "-P", READER_PASSWORD]
    with subprocess.Popen([*command, "-q", "1", "-t", "m3er/#"], stdout=subprocess.DEVNULL) as slow:
        try:
            until(lambda: "Sending SUBACK" in broker.log, "the slow one has subscribed")
            slow.send_signal(signal.SIGSTOP)
            robot, longest_s = publisher(broker), 0.0
            robot.publish(reading(0))
            for number in range(1, 1500):
                began_s = time.monotonic()
                robot.publish(reading(number))
                longest_s = max(longest_s, time.monotonic() - began_s)
            robot.close()
            assert longest_s < 1
        finally:
            slow.kill()


_ROBOT = """
import logging, sys, time
logging.basicConfig(level=logging.DEBUG)
from edge.publish.mqtt import Mqtt
from edge.reading import Reading
robot = Mqtt(sys.argv[1], ("happy",), "robbie")
robot.publish(Reading.model_validate_json(sys.argv[2]))
print("published", flush=True)
time.sleep(60)
"""


@real
def test_a_killed_robot_is_offline_and_its_password_stands_nowhere(broker: Mosquitto) -> None:
    url = f"mqtt://robot@localhost:{broker.port}"
    with Subscriber(broker) as seen:
        command = [sys.executable, "-c", _ROBOT, url, reading(0).to_json()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as robot:
            try:
                assert robot.stdout is not None and robot.stdout.readline() == "published\n"
                assert mosquitto.PASSWORD not in " ".join(psutil.Process(robot.pid).cmdline())
                until(lambda: seen.said(AVAILABILITY) == ["online"], "online")
            finally:
                robot.kill()
            said = "".join(robot.communicate())
        until(lambda: seen.said(AVAILABILITY) == ["online", "offline"], "the last will")
    with Subscriber(broker, AVAILABILITY, "late") as late:
        until(lambda: late.messages == [(AVAILABILITY, "offline", True)], "it is retained")
    assert "readings go to" in said and mosquitto.PASSWORD not in said
