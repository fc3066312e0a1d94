"""A sensor's end leaves nothing behind, whoever brings it about, and when."""

import signal
import subprocess
import sys
import threading
import time
from itertools import islice

import psutil
import pytest

from edge.models import VOSK_TINY_EN
from tests import made_sensor
from tests.made_sensor import Quick, assert_back_at, at_rest, children, held, numbers
from tests.soak.scene import CLIP

quick_bundle, quick = made_sensor.quick_bundle, made_sensor.quick


def test_twenty_sensors_leave_nothing(quick: Quick) -> None:
    def once() -> float:
        with quick(str(CLIP), "nobody's", VOSK_TINY_EN) as sensor:
            while (running := held())["children"] < 3:
                assert next(sensor).sequence < 50
            assert running["shared memory"] == 4
            began_s = time.monotonic()
        return time.monotonic() - began_s

    once()  # what libraries load for good
    before = at_rest()
    took_s = []
    for _ in range(20):
        took_s.append(once())
        assert not children()
    assert_back_at(before)
    assert max(took_s) < 2.0
    assert before["children"] == before["shared memory"] == 0


def test_two_at_once_do_not_know_of_each_other(quick: Quick) -> None:
    before = at_rest()
    with quick() as one, quick() as other:
        assert numbers(list(islice(one, 3))) == numbers(list(islice(other, 3))) == [0, 1, 2]
        one.close()
        assert list(one) == [] and next(other).sequence == 3
    assert_back_at(before)


def test_closing_from_another_thread_ends_the_loop(quick: Quick) -> None:
    before = at_rest()
    with quick(str(CLIP)) as sensor:
        closer = threading.Timer(0.45, sensor.close)
        closer.start()
        readings = list(sensor)
        assert list(sensor) == []
        closer.join()
    assert numbers(readings) == list(range(len(readings))) and 2 <= len(readings) <= 6
    assert_back_at(before)


def test_closing_while_it_opens_is_the_end(quick: Quick) -> None:
    before = at_rest()
    sensor = quick(str(CLIP))
    threading.Timer(0.01, sensor.close).start()
    with sensor:
        assert len(list(sensor)) <= 1
    assert_back_at(before)


def test_an_exception_in_the_loop_closes_everything_in_any_thread(quick: Quick) -> None:
    before, seen = at_rest(), []

    def program() -> None:
        with pytest.raises(ZeroDivisionError), quick(str(CLIP), "nobody's", VOSK_TINY_EN) as sensor:
            for reading in sensor:
                seen.append(reading)
                _ = 1 / 0

    thread = threading.Thread(target=program)
    thread.start()
    thread.join()
    assert len(seen) == 1
    assert_back_at(before)


def test_ctrl_c_ends_a_loop_that_waits() -> None:
    code = "from edge import Sensor\nwith Sensor(0, None, None) as s:\n for r in s: print(r.sequence, flush=True)"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None and program.stderr is not None
        assert program.stdout.readline() == "0\n"
        family = psutil.Process(program.pid).children()
        began_s = time.monotonic()
        program.send_signal(signal.SIGINT)
        assert program.wait(10) == -signal.SIGINT and time.monotonic() - began_s < 2.0
        assert "KeyboardInterrupt" in program.stderr.read()
    assert len(family) == 1 and not psutil.pid_exists(family[0].pid)
