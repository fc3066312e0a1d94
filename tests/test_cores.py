"""Processes are really kept on their cores: what the kernel says of them, in a child and in a live run."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.cores import check_cores, on_cores
from edge.errors import M3erError
from edge.settings.layers import merge_settings
from tests.soak.live_run import LiveRun
from tests.soak.scene import CLIP

_THERE = sorted(os.sched_getaffinity(0))
_FEW = pytest.mark.skipif(len(_THERE) < 2, reason="one core alone: nothing to choose")


def allowed(status: str) -> set[int]:
    """Cores, of /proc/…/status."""
    found = re.search(r"^Cpus_allowed_list:\s*(\S+)$", status, re.MULTILINE)
    assert found is not None
    cores: set[int] = set()
    for part in found[1].split(","):
        first, _, last = part.partition("-")
        cores |= set(range(int(first), int(last or first) + 1))
    return cores


@_FEW
def test_a_child_and_its_later_threads_run_where_they_may() -> None:
    code = (
        "import threading\nfrom pathlib import Path\nfrom edge.cores import on_cores\n"
        f"with on_cores([{_THERE[-1]}]):\n"
        "    print(Path('/proc/self/status').read_text())\n"
        "    t = threading.Thread(target=lambda: print(Path('/proc/thread-self/status').read_text()))\n"
        "    t.start(); t.join()\n"
        "print(Path('/proc/self/status').read_text())\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    statuses = said.split("Name:")[1:]
    assert [allowed(status) for status in statuses] == [{_THERE[-1]}, {_THERE[-1]}, set(_THERE)]


@_FEW
def test_only_this_thread_is_kept() -> None:
    """A Sensor's thread must not move the program that it is in."""
    seen: list[set[int]] = []

    def inside() -> None:
        with on_cores([_THERE[0]]):
            seen.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [{_THERE[0]}]
    assert os.sched_getaffinity(0) == set(_THERE)


@_FEW
def test_a_live_run_and_its_workers_run_where_they_may(tmp_path: Path) -> None:
    first, last = _THERE[0], _THERE[-1]
    environment = {"M3ER_CORES__RUN": str(last), "M3ER_CORES__CAMERA": str(first)}
    with LiveRun(tmp_path, "--camera", str(CLIP), "--mic", "nobody's", environment=environment) as run:
        run.wait_for_readings(2, 30)
        cores = {process.name: allowed(Path(f"/proc/{process.pid}/status").read_text()) for process in run.processes()}
    assert cores["m3er-edge"] == {last}
    assert cores["m3er-camera"] == {first}
    assert cores["m3er-microphone"] == set(_THERE), "a worker that nothing is said about may run everywhere"


def test_a_core_that_is_not_there_is_an_error_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text("[cores]\ncamera = [0]\nwords = [0, 999]\n")
    merged = merge_settings(environment={"M3ER_SETTINGS": str(path), "M3ER_BOARD": "generic-x86"})
    with pytest.raises(M3erError, match=r"site\.toml:3: cores\.words: there is no core 999 here; allowed: 0"):
        check_cores(merged)
