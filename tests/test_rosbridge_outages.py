"""A rosbridge that dies, hangs or closes costs no reading, and no more time than it may."""

import itertools
import time

from edge.publish.background import Background
from tests import made_rosbridge
from tests.made_rosbridge import WHOLE, numbers, publisher_of, reading, refused
from tests.real.rosbridge import Character, RosbridgeServer

server = made_rosbridge.server


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
