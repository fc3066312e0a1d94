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
LONG = os.environ.get("M3ER_LONG_TESTS") == "1"
VERSIONS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    folder = tmp_path_factory.mktemp("power")
    made = Maker(folder / "maker")
    for number in VERSIONS:
        made.release(tiny_bundle(folder / f"bundle{number}", number), number, name=f"{number}.m3er")
    return made


def test_cut_short_at_its_file_operations(maker: Maker, tmp_path: Path) -> None:
    """In an interpreter of its own, which forks: the converters bring threads along, and a fork beside those may hang."""
    if reason := missing_commands("gcc"):
        pytest.skip(reason)
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-m", "tests.power_cuts", tmp_path / "work", maker.folder, "1" if LONG else "7"]
    ours = environment(tmp_path)
    done = subprocess.run(command, cwd=ROOT, env=ours, capture_output=True, text=True, timeout=1200, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr[-3000:]
    points = int(done.stdout.splitlines()[-1].split()[0])
    assert points >= (200 if LONG else 30)
