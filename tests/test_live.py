"""A live run through the command line: it starts, steps, says how it is, and ends; whatever happens to it."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from edge.models import VOSK_TINY_EN
from edge.publish.json_lines import read_readings
from edge.reading import Reading
from tests.real.child import missing_commands
from tests.real.wall_clock import WallClock
from tests.soak.judge import lost_or_repeated, present, step_rate, wall_s
from tests.soak.live_run import LiveRun
from tests.soak.scene import CLIP

NOTHING = ("--camera", "none", "--mic", "none", "--stt-model", "none")
FILM = ("--camera", str(CLIP), "--mic", "none")


def steady(readings: list[Reading]) -> None:
    """Not one step was lost, repeated, or late by more than a little."""
    assert lost_or_repeated(readings) == 0
    assert step_rate(readings) == pytest.approx(1.0, abs=0.02)


def lives(pid: int) -> bool:
    """It runs; one that has ended and that nobody has reaped yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def until(run: LiveRun, wanted: str, timeout_s: float) -> Reading:
    """The first reading whose JSON holds the words."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        for reading in run.readings():
            if wanted in reading.to_json():
                return reading
        time.sleep(0.1)
    raise AssertionError(f"no reading with {wanted!r}; the last: {run.readings()[-1:]}; the log: {run.log}")


def test_without_any_device_readings_go_on_and_say_why(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "--camera", "7", "--mic", "nobody's") as run:
        readings = run.wait_for_readings(8, 20)
        family = run.processes()
    assert (run.status, run.ended_s is not None and run.ended_s < 2.0) == (0, True)
    steady(readings)
    for reading in readings[4:]:
        assert reading.emotion == "unknown" and reading.evidence == "none" and reading.faces == 0
        assert reading.modalities["face"].reason == "camera not found"
        assert reading.modalities["speech"].reason == "microphone not found"
        assert reading.modalities["text"].reason == "microphone not found"
    assert "/dev/video7: no such camera; plug it in, or see --list-devices" in run.log
    assert {process.name for process in family} == {"m3er-edge", "m3er-camera", "m3er-microphone", "m3er-words"}
    assert not any(lives(process.pid) for process in family)
    assert "readings in" in run.printed and "Traceback" not in run.log


def test_ctrl_c_ends_it_as_well(tmp_path: Path) -> None:
    with LiveRun(tmp_path, *NOTHING) as run:
        run.wait_for_readings(1, 20)
        run.stop(signal.SIGINT)
    assert run.status == 0 and run.ended_s is not None and run.ended_s < 2.0


def test_a_run_that_is_killed_takes_everything_along(tmp_path: Path) -> None:
    with LiveRun(tmp_path, *FILM) as run:
        run.wait_for_readings(2, 20)
        family = run.processes()
        run.stop(signal.SIGKILL)
        time.sleep(0.5)
        assert len(family) == 2
        assert not any(lives(process.pid) for process in family)
        assert not list(Path("/dev/shm").glob("*m3er*"))


def test_the_service_manager_hears_ready_then_every_step_then_stopping(tmp_path: Path) -> None:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.setblocking(False)
        environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000000"}
        with LiveRun(tmp_path, "--camera", "7", "--mic", "none", environment=environment) as run:
            made = len(run.wait_for_readings(6, 20))
        heard = []
        while True:
            try:
                heard.append(manager.recv(1000).decode())
            except BlockingIOError:
                break
    assert heard[0] == "READY=1" and heard[-1] == "STOPPING=1"
    assert made <= heard.count("WATCHDOG=1") <= made + 2
    assert "STATUS=camera not found, no microphone" in heard


def test_a_loop_that_is_stopped_does_not_feed_the_watchdog(tmp_path: Path) -> None:
    """The pings come from the step alone: no thread of its own goes on saying that all is well."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(1.5)
        with LiveRun(tmp_path, *NOTHING, environment={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000000"}) as run:
            run.wait_for_readings(2, 20)
            run.child.send_signal(signal.SIGSTOP)
            with pytest.raises(TimeoutError):
                while True:
                    manager.recv(1000)
            run.child.send_signal(signal.SIGCONT)
            assert manager.recv(1000) == b"WATCHDOG=1"
            time.sleep(1.2)
    readings = run.readings()
    assert lost_or_repeated(readings) == 0
    gaps = [b.t - a.t for a, b in pairwise(readings)]
    assert max(gaps) > 1.0 and min(gaps) > 0.25  # what was slept through is left out, not made up for


def test_the_log_is_json_for_machines(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "--camera", "7", "--mic", "nobody's", "--log", "json") as run:
        until(run, "microphone not found", 20)
    lines = [json.loads(line) for line in run.log.splitlines()]
    assert {"camera", "microphone"} <= {line["process"] for line in lines}
    assert all({"time", "monotonic_s", "level", "process", "message"} <= line.keys() for line in lines)


def test_fifty_workers_killed_at_random_moments(tmp_path: Path) -> None:
    moments = random.Random(5)
    with LiveRun(tmp_path, "--camera", str(CLIP), "--mic", "nobody's") as run:
        run.wait_for_readings(4, 20)
        killed, until_s = 0, time.monotonic() + 90
        while killed < 50 and time.monotonic() < until_s:
            workers = [process for process in run.processes() if process.name != "m3er-edge"]
            if workers:
                os.kill(moments.choice(workers).pid, signal.SIGKILL)
                killed += 1
            time.sleep(moments.uniform(0, 0.25))
        before = len(run.readings())
        readings = run.wait_for_readings(before + 12, 20)
    steady(readings)
    assert killed == 50
    assert any(present(reading, "face") for reading in readings[-12:])


def test_a_wall_clock_set_back_by_an_hour_changes_no_step(tmp_path: Path) -> None:
    if reason := missing_commands("gcc"):
        pytest.skip(reason)
    clock = WallClock(tmp_path)
    with LiveRun(tmp_path, *FILM, environment=clock.environment) as run:
        run.wait_for_readings(6, 20)
        clock.set_off(-3600)
        readings = run.wait_for_readings(14, 20)
    assert min(b - a for a, b in pairwise(map(wall_s, readings))) < -3000
    steady(readings)
    assert all(present(reading, "face") for reading in readings[3:])
    assert "killed" not in run.log


def test_a_disk_that_is_full_for_a_while_costs_no_reading(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        with LiveRun(tmp_path, *NOTHING, readings=disk / "readings.jsonl") as run:
            run.wait_for_readings(2, 20)
            (disk / "others").write_bytes(bytes(200_000)[: _free(disk)])
            time.sleep(3)
            full = len(run.readings())
            (disk / "others").unlink()
            readings = run.wait_for_readings(full + 8, 20)
        steady(readings)
        assert "is full" in run.log or "No space left" in run.log
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def _free(disk: Path) -> int:
    return shutil.disk_usage(disk).free


def test_a_damaged_speech_model_costs_the_words_and_nothing_else(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(VOSK_TINY_EN, model)
    whole = (model / "am" / "final.mdl").read_bytes()
    (model / "am" / "final.mdl").write_bytes(whole[:1000])
    options = ("--camera", str(CLIP), "--mic", "nobody's", "--stt-model", str(model))
    with LiveRun(tmp_path / "run", *options) as run:
        reading = until(run, "recogniser cannot load its model", 30)
        assert present(reading, "face")
        (model / "am" / "final.mdl").write_bytes(whole)
        until_s = time.monotonic() + 30
        while time.monotonic() < until_s and run.readings()[-1].modalities["text"].reason != "microphone not found":
            time.sleep(0.2)
        assert run.readings()[-1].modalities["text"].reason == "microphone not found"  # the recogniser is well
    steady(run.readings())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--stt-model", "nowhere"), "nowhere: no such speech model"),
        (("--camera", "0", "--input", "x.mp4"), "--input and --camera: name a file, or devices, not both"),
        (("--realtime",), "--realtime is for a file"),
        (("--board", "toaster"), "toaster"),
    ],
)
def test_wrong_use_is_one_line(options: tuple[str, ...], said: str) -> None:
    command = [sys.executable, "-m", "edge.cli", "run", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_terminal_that_was_stopped_stops_no_step(tmp_path: Path) -> None:
    """As with Ctrl-S: nothing that is printed or logged is taken any more, on stdout and on stderr."""
    ours, theirs = os.openpty()
    readings_file = tmp_path / "readings.jsonl"
    command = [sys.executable, "-m", "edge.cli", "run", *FILM, "--jsonl", str(readings_file)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as run:
        try:
            until_s = time.monotonic() + 20
            while not readings_file.exists() or len(readings_file.read_bytes().splitlines()) < 4:
                assert time.monotonic() < until_s
                time.sleep(0.1)
            # Nobody reads: what the terminal can hold is soon full. And the log is made to say something.
            for _ in range(16):
                for worker in psutil.Process(run.pid).children():
                    worker.kill()
                time.sleep(0.5)
            began_s = time.monotonic()
            run.terminate()
            assert run.wait(10) == 0
            assert time.monotonic() - began_s < 2.5
        finally:
            run.kill()
            os.close(ours)
            os.close(theirs)
    readings = read_readings(readings_file)
    assert len(readings) > 16
    steady(readings)
