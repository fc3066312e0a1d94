"""What the sensor's tests share: sensors that are quick, and what a process holds before and after."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from edge import Reading, Sensor
from edge.bundle import DEFAULT, MANIFEST
from tests.soak.scene import CLIP

Quick = Callable[..., Sensor]
HOP_S = 0.1


@pytest.fixture(scope="module")
def quick_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped bundle, but five times as fast."""
    folder = tmp_path_factory.mktemp("bundles") / "quick"
    shutil.copytree(DEFAULT, folder, copy_function=os.symlink)
    (folder / MANIFEST).unlink()
    manifest = json.loads((DEFAULT / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**manifest, "hop_s": HOP_S}), encoding="utf-8")
    with Sensor(str(CLIP), None, None, folder) as sensor:  # what libraries start once and keep, as OpenCV its threads
        next(reading for reading in sensor if reading.faces)
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
