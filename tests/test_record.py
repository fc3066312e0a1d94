"""``--record``: what was seen and heard can be played again, whatever ended the run; and everybody is told."""

import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge import record
from edge.capture.media_file import MediaFile
from edge.capture.ring import Ring, RingReader
from edge.capture.ring_samples import write_sample
from edge.capture.sample import AudioBlock, Frame
from edge.errors import M3erError
from edge.reading import Modality, Reading
from edge.record import Recorder
from tests.real import alsa_microphone
from tests.real.alsa_microphone import FifoMicrophone
from tests.soak.live_run import LiveRun
from tests.soak.scene import CLIP

TICK_NS = 100_000_000


class Devices:
    """Rings as a live run has them, fed by hand."""

    def __init__(self) -> None:
        self.pictures, self.sound = Ring(300_000, 12), Ring(8192, 100)
        self._now_ns = time.monotonic_ns()

    def readers(self) -> tuple[RingReader, RingReader]:
        return RingReader(self.pictures), RingReader(self.sound)

    def give(self, ticks: int, size: tuple[int, int] | None = (120, 160), sound: bool = True) -> None:
        """So many tenths of a second, faster than life."""
        for _ in range(ticks):
            self._now_ns += TICK_NS
            if size is not None:
                image = np.random.default_rng(self._now_ns).integers(0, 255, (*size, 3), np.uint8)
                write_sample(self.pictures, Frame(self._now_ns, image))
            if sound:
                write_sample(self.sound, AudioBlock(self._now_ns, np.full(1600, 1234, np.int16)))
            time.sleep(0.02)


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def is_live(reading: Reading, modality: Modality) -> bool:
    return reading.modalities[modality].state == "live"


def played(folder: Path) -> list[tuple[int, float, set[tuple[int, ...]]]]:
    """Of each file in order: pictures, seconds of sound, sizes of the pictures."""
    found = []
    for path in sorted(folder.iterdir()):
        with MediaFile(path) as file:
            samples = list(file.samples())
        frames = [sample.image for sample in samples if isinstance(sample, Frame)]
        sound = sum(len(sample.samples) for sample in samples if isinstance(sample, AudioBlock))
        found.append((len(frames), sound / 16_000, {image.shape[:2] for image in frames}))
    return found


def test_devices_that_come_and_change_begin_another_file(tmp_path: Path) -> None:
    devices = Devices()
    recorder = Recorder(tmp_path / "new" / "folder", *devices.readers())
    devices.give(8, size=None)
    devices.give(8)
    devices.give(8, size=(90, 160))
    devices.give(8, size=(90, 160), sound=False)  # a microphone that gives nothing is waited for
    recorder.close()
    files = played(tmp_path / "new" / "folder")
    assert [(frames, sizes) for frames, _, sizes in files] == [(0, set()), (8, {(120, 160)}), (16, {(90, 160)})]
    assert [sound for _, sound, _ in files] == pytest.approx([0.8, 0.8, 0.8], abs=0.11)
    assert (tmp_path / "new" / "folder").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "new" / "folder").iterdir()} == {0o600}


def test_a_minute_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "_SEGMENT_S", 0.95)
    devices = Devices()
    recorder = Recorder(tmp_path, *devices.readers())
    devices.give(30)
    recorder.close()
    files = played(tmp_path)
    assert sum(frames for frames, _, _ in files) == 30
    assert sum(sound for _, sound, _ in files) == pytest.approx(3.0)
    assert len(files) >= 3 and max(sound for _, sound, _ in files) < 1.2


@pytest.mark.parametrize(
    ("limit", "value", "why"),
    [("MOST_BYTES", 50_000, "there may be no more"), ("LEAST_FREE_BYTES", 1 << 60, "MB are free")],
)
def test_it_ends_at_its_limits_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, limit: str, value: int, why: str
) -> None:
    monkeypatch.setattr(record, limit, value)
    monkeypatch.setattr(record, "_LOOK_EVERY_S", 0.1)
    devices = Devices()
    recorder = Recorder(tmp_path, *devices.readers())
    devices.give(40)
    until(lambda: "has ended" in caplog.text)
    assert why in caplog.text
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    devices.give(10)
    recorder.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == size
    assert all(frames for frames, _, _ in played(tmp_path))


def test_a_full_disk_ends_it_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(record, "LEAST_FREE_BYTES", 0)
            devices = Devices()
            recorder = Recorder(disk, *devices.readers())
            devices.give(40)
            until(lambda: "has ended" in caplog.text)
            recorder.close()
        assert "No space left" in caplog.text
        assert sum(frames for frames, _, _ in played(disk)) > 3
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_what_was_too_much_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    devices = Devices()
    pictures, sound = devices.readers()
    devices.give(30)  # more than the ring of pictures keeps
    with caplog.at_level(logging.WARNING):
        recorder = Recorder(tmp_path, pictures, sound)
        time.sleep(0.3)
        recorder.close()
    assert "RECORDING picture and sound" in caplog.text and "19 samples left out" in caplog.text


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(M3erError, match=r"file: .*name a folder that can be written"):
        Recorder(tmp_path / "file", None, None)


def test_a_recording_of_a_file_is_refused() -> None:
    command = [sys.executable, "-m", "edge.cli", "run", "--input", str(CLIP), "--record", "folder"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "--record is for devices" in done.stderr


def test_a_run_that_is_killed_leaves_what_it_saw_and_heard_and_everybody_was_told(tmp_path: Path) -> None:
    if reason := alsa_microphone.missing():
        pytest.skip(reason)
    with MediaFile(CLIP) as clip:
        sound = np.concatenate([sample.samples for sample in clip.samples() if isinstance(sample, AudioBlock)])
    name, folder = str(tmp_path / "notify"), tmp_path / "recording"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, FifoMicrophone() as microphone:
        manager.bind(name)
        manager.setblocking(False)
        options = ("--camera", str(CLIP), "--stt-model", "none", "--record", str(folder))
        environment = {**microphone.environment, "NOTIFY_SOCKET": name}
        with LiveRun(tmp_path, *options, environment=environment) as run:
            until_s, both = time.monotonic() + 40, 0
            for second in itertools.cycle(range(8)):  # so far the clip's voice is clear
                microphone.write(sound[16_000 * second : 16_000 * (second + 1)])
                both += any(is_live(reading, "face") and is_live(reading, "speech") for reading in run.readings()[-2:])
                if both > 4 or time.monotonic() > until_s:
                    break
            run.stop(signal.SIGKILL)
        told = []
        while True:
            try:
                told.append(manager.recv(1000).decode())
            except BlockingIOError:
                break
    assert both > 4
    frames, seconds, _ = zip(*played(folder), strict=True)
    assert sum(seconds) > 2.0 and sum(frames) > 10, f"{frames} pictures, {seconds} s"
    assert "RECORDING picture and sound to" in run.log
    status = [line for line in told if line.startswith("STATUS=")]
    assert status and all(line.startswith("STATUS=RECORDING picture and sound; ") for line in status)
    assert run.printed.splitlines() and all(line.startswith("RECORDING ") for line in run.printed.splitlines())
    # And it gives readings once more.
    longest = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    again = tmp_path / "again.jsonl"
    command = [sys.executable, "-m", "edge.cli", "run", "--input", str(longest), "--jsonl", str(again)]
    subprocess.run(command, check=True, capture_output=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert any('"face":{"state":"live"' in line for line in again.read_text(encoding="utf-8").splitlines())
