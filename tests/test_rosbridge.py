"""Readings to ROS 2: every field as ROS wants it, and a server that fails in every way costs no reading."""

import base64
import http.server
import itertools
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.errors import M3erError
from edge.publish import ros_messages
from edge.publish.background import Background
from edge.publish.rosbridge import Rosbridge
from edge.publish.rosbridge_status import StatusLog
from edge.reading import MODALITIES, ModalityReading, Pace, Reading
from tests.real.child import missing_commands
from tests.real.rosbridge import Character, Heard, RosbridgeServer
from tests.test_publish import LABELS, scene

_READING = scene(1)[0]
EXPRESSION, WHOLE, DIAGNOSTICS = "/m3er/expression", "/m3er/reading", "/diagnostics"


def reading(number: int = 0, **update: object) -> Reading:
    """A reading that can be told by its sequence."""
    return _READING.model_copy(update={"sequence": number, "t": number / 2, **update})


def numbers(heard: list[Heard]) -> list[int]:
    """The sequences of what was published on the topic of whole readings."""
    return [json.loads(h.message["data"])["sequence"] for h in heard if h.topic == WHOLE and h.op == "publish"]


@pytest.fixture
def server() -> Iterator[RosbridgeServer]:
    with RosbridgeServer() as running:
        yield running


def publisher_of(server: RosbridgeServer) -> Rosbridge:
    return Rosbridge(server.url, LABELS)


def refused(publish: Callable[[], None], *words: str, within_s: float = 3.0) -> None:
    """It raises an M3erError with these words in time."""
    began_s = time.monotonic()
    with pytest.raises(M3erError) as caught:
        publish()
    assert time.monotonic() - began_s < within_s
    assert all(word in str(caught.value) for word in words), caught.value


# What is said.


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


# A server that fails.


def test_a_thousand_readings_arrive_once_each_and_in_order(server: RosbridgeServer) -> None:
    background = Background(publisher_of(server), "rosbridge", most=1000)
    for number in range(1000):
        background.publish(reading(number))
    server.wait_for(1000, "publish", WHOLE)
    background.close()
    assert numbers(server.heard()) == list(range(1000))
    assert background.dropped == 0


def test_a_server_that_is_killed_and_started_anew_loses_no_reading(server: RosbridgeServer) -> None:
    background = Background(publisher_of(server), "rosbridge", most=1000)
    for number in range(300):
        background.publish(reading(number))
        if number in (100, 200):
            server.wait_for(number - 50, "publish", WHOLE)
            server.kill()
            server.start()
    until_s = time.monotonic() + 20
    while background.waiting and time.monotonic() < until_s:
        time.sleep(0.01)
    background.close()
    heard = server.heard()
    assert not any(h.wrong for h in heard)
    said = numbers(heard)
    # Killed between what it heard and its answer, it is told again: at most once a death, and never out of order.
    twice = [a for a, b in itertools.pairwise(said) if a == b]
    assert [n for i, n in enumerate(said) if i == 0 or said[i - 1] != n] == list(range(300))
    assert len(twice) <= 2
    assert len(server.heard("advertise", WHOLE)) == 3
    assert background.dropped == 0


def test_a_server_that_went_away_between_two_readings_is_found_again_at_once(server: RosbridgeServer) -> None:
    publisher = publisher_of(server)
    publisher.publish(reading(0))
    server.kill()
    server.start()
    publisher.publish(reading(1))
    publisher.close()
    server.wait_for(2, "publish", WHOLE)
    assert numbers(server.heard()) == [0, 1]


def test_a_server_that_closes_each_connection_politely_costs_no_reading() -> None:
    with RosbridgeServer(Character(ends_after=7)) as server:
        background = Background(publisher_of(server), "rosbridge", most=100)
        for number in range(5):
            background.publish(reading(number))
            time.sleep(0.2)
        background.close(5.0)
        assert sorted(set(numbers(server.heard()))) == list(range(5))
        assert background.dropped == 0


def test_a_hanging_server_is_an_error_in_time_and_the_reading_may_come_again(server: RosbridgeServer) -> None:
    publisher = publisher_of(server)
    publisher.publish(reading(0))
    server.hang()
    refused(lambda: publisher.publish(reading(1)), "did not answer within 2 s")
    refused(lambda: publisher.publish(reading(1)), "did not answer within 2 s")  # nor does it answer the handshake
    server.go_on()
    publisher.publish(reading(1))
    publisher.close()
    server.wait_for(2, "publish", WHOLE)
    assert sorted(set(numbers(server.heard()))) == [0, 1]


def test_a_hanging_server_that_takes_no_more_bytes_is_an_error_in_time(server: RosbridgeServer) -> None:
    publisher = publisher_of(server)
    publisher.publish(reading(0))
    server.hang()
    huge = reading(1, transcript="word " * 4_000_000)  # more than all buffers between us
    refused(lambda: publisher.publish(huge), "broke off", within_s=4.0)


def test_closing_takes_less_than_a_second_whatever_the_server_does(server: RosbridgeServer) -> None:
    for hangs in (False, True):
        publisher = publisher_of(server)
        publisher.publish(reading(0))
        if hangs:
            server.hang()
        began_s = time.monotonic()
        publisher.close()
        publisher.close()
        assert time.monotonic() - began_s < 1.0


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


# No rosbridge.


def test_nobody_listens_there() -> None:
    with RosbridgeServer() as server:
        server.kill()
        refused(lambda: publisher_of(server).publish(reading()), "refused", "ros2 launch rosbridge_server")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70])
def test_a_host_that_does_not_exist(host: str) -> None:
    refused(lambda: Rosbridge(f"rosbridge://{host}", LABELS).publish(reading()), "no host of that name", within_s=20)


@pytest.mark.parametrize("scheme", ["rosbridge", "rosbridges"])
def test_a_web_server_is_no_rosbridge(scheme: str) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"{scheme}://127.0.0.1:{other.server_port}"
        refused(lambda: Rosbridge(url, LABELS).publish(reading()), "not a rosbridge", "port")
        other.shutdown()


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"\x00" * 5000])
def test_something_else_is_no_rosbridge(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def serve() -> None:
            with other.accept()[0] as one:
                one.recv(1000)
                one.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        url = f"rosbridge://127.0.0.1:{other.getsockname()[1]}"
        refused(lambda: Rosbridge(url, LABELS).publish(reading()), "not a rosbridge", "port")


def test_a_host_that_accepts_and_says_nothing_is_an_error_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"rosbridge://127.0.0.1:{other.getsockname()[1]}"
        refused(lambda: Rosbridge(url, LABELS).publish(reading()), "did not answer within 2 s")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rosbridge://", "not a rosbridge"),
        ("rosbridge:///m3er", "not a rosbridge"),
        ("ws://robot", "not a rosbridge"),
        ("rosbridge://robot?a=b", "not a rosbridge"),
        ("rosbridge://robot:0x50", "rosbridge://HOST"),
        ("rosbridge://robot:99999", "rosbridge://HOST"),
        ("rosbridge://[::1", "rosbridge://HOST"),
        ("rosbridge://robot/9lives", "no name of a ROS 2 topic"),
        ("rosbridge://robot/a//b", "no name of a ROS 2 topic"),
        ("rosbridge://robot/a__b", "no name of a ROS 2 topic"),
        ("rosbridge://robot/a b", "no name of a ROS 2 topic"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_before_the_run(url: str, words: str) -> None:
    refused(lambda: _ignore(Rosbridge(url, LABELS)), words)


def test_a_password_in_the_url_is_not_repeated() -> None:
    with pytest.raises(M3erError) as caught:
        Rosbridge("rosbridge://me:secret@robot", LABELS)
    assert "secret" not in str(caught.value)


def _ignore(_publisher: Rosbridge) -> None:
    """For a lambda that must return nothing."""


@pytest.mark.skipif(bool(missing_commands("openssl")), reason=missing_commands("openssl"))
def test_tls_is_spoken_with_those_whose_certificate_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem, key = tmp_path / "server.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=robot -addext subjectAltName=IP:127.0.0.1"
    done = subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(pem)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pem.write_text(key.read_text() + pem.read_text())
    with RosbridgeServer(Character(certificate=pem)) as server:
        publisher = publisher_of(server)
        refused(lambda: publisher.publish(reading(0)), "certificate is not trusted", "SSL_CERT_FILE")
        plain = Rosbridge(server.url.replace("rosbridges", "rosbridge"), LABELS)
        refused(lambda: plain.publish(reading(0)), "not a rosbridge")
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        for number in range(3):
            publisher.publish(reading(number))
        server.wait_for(3, "publish", WHOLE)
        server.hang()
        refused(lambda: publisher.publish(reading(3, transcript="word " * 4_000_000)), "broke off", within_s=4.0)
        began_s = time.monotonic()
        publisher.close()
        assert time.monotonic() - began_s < 1.0
