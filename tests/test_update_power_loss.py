"""An installer that is killed, or whose power is cut, at any moment leaves a bundle that works: the old, or the new."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.bundle import open_bundle
from edge.update.slots import Slots
from tests.made_release import Maker, put_in, tiny_bundle
from tests.real.child import missing_commands
from tests.real.file_operations import environment

ROOT = Path(__file__).parent.parent
LONG = os.environ.get("LONG_TESTS") == "1"
VERSIONS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    folder = tmp_path_factory.mktemp("power")
    made = Maker(folder / "maker")
    for number in VERSIONS:
        made.release(tiny_bundle(folder / f"bundle{number}", number), number, name=f"{number}.m3er")
    return made


def test_cut_short_at_its_file_operations(maker: Maker, tmp_path: Path) -> None:
    """In an interpreter of its own, which forks: the converters bring threads along, beside which a fork may hang."""
    if reason := missing_commands("gcc"):
        pytest.skip(reason)
    (tmp_path / "work").mkdir()
    command = [
        sys.executable,
        "-m",
        "tests.power_cuts",
        str(tmp_path / "work"),
        str(maker.folder),
        "1" if LONG else "11",
    ]
    ours = environment(tmp_path)
    done = subprocess.run(command, cwd=ROOT, env=ours, capture_output=True, text=True, timeout=1200, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr[-3000:]
    points = int(done.stdout.splitlines()[-1].split()[0])
    assert points >= (200 if LONG else 30)


def test_killed_at_random_times(maker: Maker, tmp_path: Path) -> None:
    """The command itself, by SIGKILL from without, as by the kernel when memory runs out."""
    times = random.Random(3)
    board = tmp_path / "board.toml"
    board.write_text("")  # this machine's own profile wants nets that tiny bundles lack
    ours = {**os.environ, "STATE_DIRECTORY": str(tmp_path / "state"), "M3ER_BOARD": str(board), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "edge.cli", "bundle", "install", "--keys", str(maker.keys), "--allow-downgrade"]
    slots = Slots(tmp_path / "state")
    put_in(maker.folder / "1.m3er", slots, maker.keys)
    killed = 0
    for number in range(60 if LONG else 6):
        release = maker.folder / f"{2 + number % 3}.m3er"
        with subprocess.Popen(
            [*command, str(release)], cwd=ROOT, env=ours, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            assert child.stdout is not None
            child.stdout.read(1)  # it has begun: checked, and about to write
            time.sleep(times.uniform(0.0, 0.2))
            child.kill()
            killed += child.wait() < 0
        open_bundle(slots.bundle(slots.current()))
        assert slots.installed(slots.current()) is not None
    assert killed
    assert put_in(maker.folder / "4.m3er", slots, maker.keys, allow_downgrade=True).release.version == 4
