"""Updates of a real run, by the real commands: taken over, given up by itself, killed at every start."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from edge.bundle import DEFAULT, open_bundle
from edge.reading import Reading
from edge.update.slots import Slots
from edge.update.standing import confirm, in_use
from tests.made_release import Maker, poisoned_bundle, put_in, tiny_bundle
from tests.soak.judge import lost_or_repeated
from tests.soak.live_run import LiveRun
from tests.soak.scene import CLIP

ROOT = Path(__file__).parent.parent
FILM = ("--camera", str(CLIP), "--mic", "none")
NOTHING = ("--camera", "none", "--mic", "none")


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """With 1.m3er to 3.m3er, bad.m3er, which is version 9, and 100.m3er, which is the shipped bundle."""
    folder = tmp_path_factory.mktemp("maker")
    maker = Maker(folder / "releases")
    for version in (1, 2, 3):
        maker.release(tiny_bundle(folder / str(version), version), version, name=f"{version}.m3er")
    maker.release(poisoned_bundle(folder / "1", folder / "bad"), 9, name="bad.m3er")
    maker.release(DEFAULT, 100, name="100.m3er")
    return maker


class Robot:
    """A state folder, the commands, and what the service manager hears."""

    def __init__(self, folder: Path, maker: Maker) -> None:
        self.folder, self.maker, self.slots = folder, maker, Slots(folder / "state")
        board = folder / "board.toml"
        board.write_text("")  # this machine's own profile wants nets that tiny bundles lack
        name = str(folder / "notify")
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(name)
        self._manager.setblocking(False)
        state = str(self.slots.state)
        self.environment = {"STATE_DIRECTORY": state, "M3ER_BOARD": str(board), "NOTIFY_SOCKET": name}

    def run(self, *options: str) -> LiveRun:
        return LiveRun(self.folder / "run", *options, environment=self.environment)

    def bundle(self, *arguments: str) -> str:
        """``m3er-edge bundle …``: what it prints."""
        command = [sys.executable, "-m", "edge.cli", "bundle", *arguments]
        ours = {**os.environ, **self.environment, "M3ER_KEYS": str(self.maker.keys)}
        done = subprocess.run(command, cwd=ROOT, env=ours, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self, name: str) -> str:
        return self.bundle("install", str(self.maker.folder / f"{name}.m3er"))

    def install_proven(self, name: str) -> None:
        put_in(self.maker.folder / f"{name}.m3er", self.slots, self.maker.keys)
        confirm(self.slots, in_use(self.slots, self.slots.current()))

    def id(self, name: str) -> str:
        """As it stands in readings."""
        return open_bundle(self.maker.folder.parent / name).id

    def heard(self) -> list[str]:
        """By the service manager, so far."""
        said = []
        while True:
            try:
                said.append(self._manager.recv(4000).decode())
            except BlockingIOError:
                return said


@pytest.fixture
def robot(tmp_path: Path, maker: Maker) -> Robot:
    return Robot(tmp_path, maker)


def until(run: LiveRun, wanted: Callable[[Reading], bool], timeout_s: float = 30.0) -> list[Reading]:
    """All readings, up to one that is wanted."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        readings = run.readings()
        if readings and wanted(readings[-1]):
            return readings
        time.sleep(0.05)
    raise AssertionError(f"not seen; the last: {run.readings()[-1:]}; the log: {run.log}")


def late_ms(readings: list[Reading]) -> list[float]:
    """How late each step came after its place on the grid."""
    return [1e3 * (reading.t % 0.5) for reading in readings]


def test_a_running_service_takes_releases_over_one_after_the_other(robot: Robot) -> None:
    robot.install_proven("1")
    with robot.run(*FILM) as run:
        run.wait_for_readings(4, 30)
        for name in ("2", "3"):
            printed = robot.install(name)
            assert "on trial. A running service takes it over by itself" in printed
            until(run, lambda reading, name=name: reading.bundle == robot.id(name))  # type: ignore[misc]
        robot.bundle("rollback")
        readings = until(run, lambda reading: reading.bundle == robot.id("1"))
    ids = [reading.bundle for reading in readings]
    changes = [b for a, b in pairwise(ids) if a != b]
    assert changes == [robot.id("2"), robot.id("3"), robot.id("1")]
    assert lost_or_repeated(readings) == 0
    print(f"late by at most {max(late_ms(readings)):.1f} ms of {len(readings)} steps")
    said = robot.heard()
    assert any("STATUS=" in line and "tiny 3 is on trial" in line for line in said)
    assert run.status == 0 and "Traceback" not in run.log


def test_a_bad_release_falls_back_by_itself_and_is_remembered(robot: Robot) -> None:
    robot.install_proven("1")
    with robot.run(*FILM) as run:
        run.wait_for_readings(2, 30)
        robot.install("bad")
        until_s = time.monotonic() + 60
        while "is given up" not in run.log and time.monotonic() < until_s:
            time.sleep(0.1)
        until(run, lambda reading: reading.bundle == robot.id("1"))
        time.sleep(2.0)
        readings = run.readings()
    assert lost_or_repeated(readings) == 0 and readings[-1].bundle == robot.id("1")
    assert "tiny 9 is given up: a step failed" in run.log
    assert any("tiny 9 was given up" in line for line in robot.heard())
    listed = robot.bundle("list").splitlines()
    assert listed[1].endswith("current") and "failed: a step failed" in listed[2]
    assert "tiny 1 is whole" in robot.bundle("verify", "current")


def test_other_labels_wait_for_the_next_start(robot: Robot) -> None:
    robot.install_proven("1")
    with robot.run(*NOTHING) as run:
        run.wait_for_readings(2, 30)
        assert "systemctl restart m3er-edge" in robot.install("100")
        until_s = time.monotonic() + 20
        while "takes over at the next start" not in run.log and time.monotonic() < until_s:
            time.sleep(0.1)
        assert run.readings()[-1].bundle == robot.id("1")
    with robot.run(*NOTHING) as run:
        assert run.wait_for_readings(1, 30)[0].bundle == open_bundle(DEFAULT).id


def test_a_service_that_is_killed_at_every_start_is_back_with_the_bundle_before(robot: Robot) -> None:
    """As by a net that crashes the process, or hangs until the watchdog ends it."""
    robot.install_proven("1")
    robot.install("2")
    for _ in range(3):
        with robot.run(*NOTHING) as run:
            assert run.wait_for_readings(1, 30)[0].bundle == robot.id("2")
            run.stop(signal.SIGKILL)
    with robot.run(*NOTHING) as run:
        assert run.wait_for_readings(1, 30)[0].bundle == robot.id("1")
    assert "failed: started 3 times" in robot.bundle("list")


def test_a_file_is_run_with_the_installed_bundle_and_counts_for_nothing(robot: Robot, tmp_path: Path) -> None:
    robot.install_proven("1")
    robot.install("2")
    command = [sys.executable, "-m", "edge.cli", "run", "--input", str(CLIP), "--jsonl", str(tmp_path / "r.jsonl")]
    ours = {**os.environ, **robot.environment}
    done = subprocess.run(
        [*command, "--stt-model", "none"], cwd=ROOT, env=ours, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert robot.id("2") in (tmp_path / "r.jsonl").read_text()
    trial = robot.slots.trial()
    assert trial is not None and trial.starts == 0
