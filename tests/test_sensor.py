"""The sensor for Python: each reading once and in order, fresh or none, however the program takes them."""

import ast
import inspect
import subprocess
import sys
import textwrap
import threading
import time
from itertools import islice, pairwise
from pathlib import Path

import pytest

from edge import Reading, Sensor
from edge.models import VOSK_TINY_EN
from tests import made_sensor, robot_example
from tests.made_sensor import HOP_S, Quick, assert_back_at, at_rest, numbers
from tests.soak.judge import present
from tests.soak.scene import CLIP

quick_bundle, quick = made_sensor.quick_bundle, made_sensor.quick


class Enough(Exception):
    """Ends the example from within its loop."""


def test_the_example_of_the_docstring_is_the_one_that_runs() -> None:
    robot_example.cheer_up(print, str(CLIP))  # ends, as somebody smiles there
    before, said = at_rest(), []

    def say(text: str) -> None:
        said.append(text)
        if text == "I cannot see you: camera not found":
            raise Enough

    with pytest.raises(Enough):
        robot_example.cheer_up(say, 7)
    assert all(text.startswith("I cannot see you: camera ") for text in said)
    assert_back_at(before)
    source = inspect.getsource(robot_example)
    code = "".join(source.splitlines(keepends=True)[ast.parse(source).body[1].lineno - 1 :])
    assert textwrap.indent(code, " " * 4) in f"{inspect.getdoc(Sensor)}\n"
    assert len([line for line in code.splitlines() if line]) <= 10


def test_a_camera_and_the_shipped_bundle_give_readings_in_order() -> None:
    with Sensor(camera=str(CLIP), microphone=None) as sensor:
        readings = list(islice(sensor, 8))
        newest = sensor.latest()
    assert numbers(readings) == list(range(8))
    assert all(b.t - a.t == pytest.approx(0.5, abs=0.1) for a, b in pairwise(readings))
    assert any(present(reading, "face") for reading in readings)
    assert readings[0].modalities["speech"].reason == "no microphone"
    assert newest is not None and newest.sequence >= 7 and sensor.missed == 0


def test_faults_of_devices_are_readings(quick: Quick) -> None:
    with quick("7", "nobody's", VOSK_TINY_EN) as sensor:
        for reading in sensor:
            reasons = {name: part.reason for name, part in reading.modalities.items()}
            if "not found" in str(reasons["face"]) and "not found" in str(reasons["speech"]):
                break
            assert reading.sequence < 100, reasons


def test_a_slow_loop_slows_no_step_and_what_it_misses_is_counted(quick: Quick) -> None:
    with quick() as sensor:
        first = next(sensor)
        time.sleep(2.5)  # 25 readings, of which ten can wait
        after = [next(sensor) for _ in range(12)]
        missed = sensor.missed
    assert 10 <= missed <= 20
    assert numbers(after) == list(range(first.sequence + 1 + missed, first.sequence + 13 + missed))
    assert after[9].t - after[0].t == pytest.approx(9 * HOP_S, abs=0.05)  # made on time while nobody took them


def test_readings_from_before_the_loop_are_not_missed(quick: Quick) -> None:
    with quick() as sensor:
        time.sleep(1.5)
        assert next(sensor).sequence >= 3 and sensor.missed == 0


def test_the_latest_is_young_or_nothing(quick: Quick) -> None:
    sensor = quick()
    assert sensor.latest() is None
    with sensor:
        first = next(sensor)
        time.sleep(0.35)
        newest = sensor.latest(max_age_s=0.3)
        assert newest is not None and newest.sequence > first.sequence
        assert next(sensor).sequence == first.sequence + 1  # nothing was taken from the loop
        assert sensor.latest(max_age_s=0.0) is None
    assert sensor.latest() is not None
    time.sleep(0.2)
    assert sensor.latest(max_age_s=0.2) is None


def test_several_loops_share_the_readings(quick: Quick) -> None:
    taken: list[Reading] = []
    with quick() as sensor:
        loops = [threading.Thread(target=lambda: taken.extend(sensor)) for _ in range(3)]
        for loop in loops:
            loop.start()
        time.sleep(1.0)
        sensor.close()
        for loop in loops:
            loop.join()
    assert sorted(numbers(taken)) == list(range(len(taken))) and len(taken) >= 7


def test_importing_edge_costs_nothing() -> None:
    code = """
import sys
before = set(sys.modules)
import edge
assert set(sys.modules) - before == {"edge"}, set(sys.modules) - before
assert {"M3erError", "Reading", "Sensor"} == set(edge.__all__)
try:
    edge.Nonsense
except AttributeError as error:
    assert "Nonsense" in str(error)
from edge import *
from edge.sensor import Sensor as Same
assert Sensor is Same
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (Path(__file__).parent.parent / "edge" / "py.typed").is_file()


def test_the_command_line_does_not_load_the_sensor() -> None:
    code = "import sys; from edge.cli import main; main(['schema']); sys.exit('edge.sensor' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
