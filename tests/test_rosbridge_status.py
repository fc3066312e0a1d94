"""Whatever a rosbridge says, readings go on, and a person is told once what is of use."""

import base64
import json
import time

import pytest

from edge.publish.rosbridge_status import StatusLog
from tests.made_rosbridge import EXPRESSION, WHOLE, numbers, publisher_of, reading, refused
from tests.real.rosbridge import Character, RosbridgeServer


@pytest.mark.parametrize(
    "said",
    [
        "{",
        "null",
        "[" * 100_000,
        '{"op": 7}',
        '{"op": "status"}',
        '{"op": "status", "level": {}, "msg": [1], "id": {}}',
        '{"op": "publish", "topic": "/m3er/reading", "msg": {"data": NaN}}',
        '{"op": "fragment", "id": "1", "data": "{\\"op\\":", "num": 0, "total": 9}',
        json.dumps({"op": "png", "data": base64.b64encode(b"\x89PNG\r\n\x1a\nnot").decode()}),
        b"\x00\xff\xfe" * 1000,
        '{"op": "service_response", "service": "/x", "result": true, "values": "' + "x" * 100_000 + '"}',
    ],
    ids=lambda said: repr(said[:40]),
)
def test_whatever_the_server_says_readings_go_on(said: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
    with RosbridgeServer(Character(greeting=(said,) * 50, remarks=(said,))) as server:
        publisher = publisher_of(server)
        for number in range(10):
            publisher.publish(reading(number))
        publisher.close()
        server.wait_for(10, "publish", WHOLE)
        assert numbers(server.heard()) == list(range(10))
        assert len(server.heard("advertise", WHOLE)) == 1
    assert len(caplog.records) <= 1


def test_an_oversized_message_ends_the_connection_and_no_reading_is_lost() -> None:
    with RosbridgeServer(Character(greeting=("x" * (1 << 21),))) as server:
        publisher = publisher_of(server)
        refused(lambda: publisher.publish(reading(0)), "broke off")
        server.kill()
        server.character = Character()
        server.start()
        publisher.publish(reading(0))
        publisher.close()
        server.wait_for(1, "publish", WHOLE)


def test_a_type_that_the_server_lacks_is_told_once_and_the_other_topics_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with RosbridgeServer(Character(lacks=("hri_msgs",))) as server:
        publisher = publisher_of(server)
        for number in range(20):
            publisher.publish(reading(number))
            time.sleep(0.01)
        assert numbers(server.wait_for(20, "publish", WHOLE)) == list(range(20))
        assert len(server.heard("publish", EXPRESSION)) <= 1  # on its way when the server refused
        server.kill()
        server.character = Character()  # installed there
        server.start()
        publisher.publish(reading(20))
        publisher.publish(reading(21))
        publisher.close()
        assert not server.wait_for(1, "publish", EXPRESSION)[-1].wrong
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "/m3er/expression" in told[0]
    assert "apt install ros-$ROS_DISTRO-hri-msgs" in told[0]


def test_a_server_that_complains_without_end_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    remarks = tuple(json.dumps({"op": "status", "level": "error", "msg": f"\x1b[31m{n}"}) for n in range(500))
    with RosbridgeServer(Character(remarks=remarks)) as server:
        publisher = publisher_of(server)
        for number in range(5):
            publisher.publish(reading(number))
        publisher.close()
    assert 2 <= len(caplog.records) <= 21
    assert not any("\x1b" in record.getMessage() for record in caplog.records)


def test_what_is_said_of_a_topic_that_was_refused_is_told_no_more(caplog: pytest.LogCaptureFixture) -> None:
    log = StatusLog("the server", {EXPRESSION: "hri_msgs/msg/Expression", WHOLE: "std_msgs/msg/String"})
    for about in (f"advertise:{EXPRESSION}", f"publish:{EXPRESSION}", f"publish:{WHOLE}"):
        log.hear(json.dumps({"op": "status", "level": "error", "id": about, "msg": "no"}))
    told = [record.getMessage() for record in caplog.records]
    assert [EXPRESSION in line for line in told] == [True, False]
    assert log.refused == {EXPRESSION}
