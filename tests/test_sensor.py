"""The sensor for Python: each reading once, fresh or none, and nothing left behind, whoever opens and closes it."""

import ast
import asyncio
import inspect
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge import M3erError, Reading, Sensor
from edge.bundle import DEFAULT, MANIFEST
from edge.models import VOSK_TINY_EN
from edge.supervisor import Supervisor
from edge.update.live_bundle import LiveBundle
from tests import robot_example
from tests.soak.judge import present
from tests.soak.scene import CLIP

Quick = Callable[..., Sensor]
_HOP_S = 0.1


@pytest.fixture(scope="module")
def quick_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped bundle, but five times as fast."""
    folder = tmp_path_factory.mktemp("bundles") / "quick"
    shutil.copytree(DEFAULT, folder, copy_function=os.symlink)
    (folder / MANIFEST).unlink()
    manifest = json.loads((DEFAULT / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**manifest, "hop_s": _HOP_S}), encoding="utf-8")
    return folder


@pytest.fixture
def quick(quick_bundle: Path) -> Quick:
    """A sensor without devices, and ten readings a second."""

    def make(camera: str | None = None, microphone: str | None = None, speech_model: Path | None = None) -> Sensor:
        return Sensor(camera, microphone, speech_model, quick_bundle)

    return make


def children() -> list[psutil.Process]:
    """Ours; not what multiprocessing has left running for other tests."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "multiprocessing" not in " ".join(child.cmdline()):
                found.append(child)
    return found


def held() -> dict[str, int]:
    """What the process holds that another program could miss."""
    return {
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "children": len(children()),
        "shared memory": Path("/proc/self/maps").read_text(encoding="utf-8").count("m3er-ring"),
    }


def at_rest() -> dict[str, int]:
    """What it holds when the thread that hands on the last sensor's log has gone, too."""
    until_s = time.monotonic() + 1.0
    while any(thread.name == "workers' log" for thread in threading.enumerate()) and time.monotonic() < until_s:
        time.sleep(0.01)
    time.sleep(0.05)  # a thread that Python has forgotten is still the kernel's for a moment
    return held()


def assert_back_at(before: dict[str, int]) -> None:
    """Soon, as a thread that has just been ended may still be on its way out."""
    until_s = time.monotonic() + 1.0
    while (now := held()) != before and time.monotonic() < until_s:
        time.sleep(0.01)
    assert now == before


def numbers(readings: list[Reading]) -> list[int]:
    return [reading.sequence for reading in readings]


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
    assert after[9].t - after[0].t == pytest.approx(9 * _HOP_S, abs=0.05)  # made on time while nobody took them


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


def test_the_event_loop_never_waits(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    before, gaps_s = at_rest(), []

    def slowly(work: Callable[..., Any]) -> Callable[..., Any]:
        def late(*arguments: object) -> Any:
            time.sleep(0.6)  # as on a small board
            return work(*arguments)

        return late

    monkeypatch.setattr("edge.sensor.LiveBundle", slowly(LiveBundle))
    monkeypatch.setattr(Supervisor, "stop", slowly(Supervisor.stop))

    async def tick() -> None:
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(0.005)
            gaps_s.append(time.monotonic() - began_s)

    async def program() -> list[Reading]:
        ticker = asyncio.create_task(tick())
        await asyncio.sleep(0.02)
        readings = []
        async with quick(str(CLIP), "nobody's", VOSK_TINY_EN) as sensor:
            async for reading in sensor:
                readings.append(reading)
                if len(readings) == 6:
                    break
        assert not children()
        await asyncio.sleep(0.02)
        ticker.cancel()
        return readings

    assert numbers(asyncio.run(program())) == list(range(6))
    assert max(gaps_s) < 0.4
    assert_back_at(before)


def test_a_task_may_be_cancelled_while_it_opens_and_while_it_waits(quick: Quick) -> None:
    before = at_rest()

    async def program() -> list[Reading]:
        readings: list[Reading] = []

        async def watch(sensor: Sensor) -> None:
            async with sensor:
                async for reading in sensor:
                    readings.append(reading)

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(watch(quick(str(CLIP))), 0.005)
        assert not readings and not children()
        async with quick() as sensor:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(sensor.__anext__(), 0.03)
            readings.append(await sensor.__anext__())  # the one that was waited for is not lost
            ended = asyncio.create_task(asyncio.to_thread(sensor.close))
            readings += [reading async for reading in sensor]
            await ended
        return readings

    assert numbers(asyncio.run(program()))[:1] == [0]
    assert_back_at(before)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bundle": "nowhere"}, "nowhere: no such bundle folder"),
        ({"speech_model": "nowhere"}, "nowhere: no such speech model"),
        ({"speech_model": Path("no/where")}, "no such speech model"),
        ({"board": "toaster"}, "toaster.toml: no such board profile"),
        ({"board": Path(__file__)}, "no such board profile|not a board profile"),
    ],
)
def test_what_a_person_can_mend_is_said_at_with(options: dict[str, str | Path], said: str) -> None:
    before = at_rest()
    settings: dict[str, str | Path | None] = {"speech_model": None, **options}
    with pytest.raises(M3erError, match=said), Sensor(str(CLIP), None, **settings):
        pass

    async def program() -> None:
        async with Sensor(str(CLIP), None, **settings):
            pass

    with pytest.raises(M3erError, match=said):
        asyncio.run(program())
    assert_back_at(before)


def test_what_shows_when_the_devices_run_already_is_said_at_with_as_well(
    quick: Quick, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = at_rest()
    monkeypatch.setenv("M3ER_YUNET", "nowhere.onnx")
    with pytest.raises(M3erError, match=r"nowhere\.onnx: no such face detector"), quick(str(CLIP)):
        pass
    assert_back_at(before)


def test_a_bug_reaches_whoever_asks(
    quick: Quick, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = at_rest()
    with quick(str(CLIP)) as sensor:
        next(sensor)
        monkeypatch.setattr("edge.runtime.Runtime.step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            for _ in sensor:
                pass
        with pytest.raises(ZeroDivisionError):
            sensor.latest()
        assert_back_at(before)
    assert "a bug in the program" in caplog.text and "ZeroDivisionError" in caplog.text
    assert logging.getLogger("edge.sensor").level == logging.NOTSET


def test_readings_are_given_inside_with_alone(quick: Quick) -> None:
    sensor = quick()
    with pytest.raises(RuntimeError, match="inside `with`"):
        next(sensor)
    with sensor:
        pass
    with pytest.raises(RuntimeError, match="once"):
        sensor.__enter__()


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


def test_the_settings_of_the_site_are_the_sensors(
    quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the camera and the microphone, which the program names."""
    site = tmp_path / "site.toml"
    site.write_text('[pace]\nframe_rate_hz = 4\n[camera]\nsource = "none"\n')
    monkeypatch.setenv("M3ER_SETTINGS", str(site))
    with quick(str(CLIP)) as sensor:
        reading = next(sensor)
    assert reading.pace is not None and reading.pace.frame_rate_hz == 4.0
    assert reading.modalities["face"].reason != "no camera"
    site.write_text("[pace]\nframe_rate_hz = 400\n")
    with pytest.raises(M3erError, match=r"site\.toml:2: pace\.frame_rate_hz"), quick(str(CLIP)):
        pass
