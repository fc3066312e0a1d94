"""Offline, nothing gets out: no socket but AF_UNIX, and neither picture nor sound on any disk.

A whole live run is watched by strace, with its camera, its microphone, and words by Vosk. It is not confined here,
as the service is (tests/test_service.py): what it must not do, it does not even try.
"""

import itertools
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from edge.bundle import DEFAULT, NETS
from edge.capture.media_file import MediaFile
from edge.capture.sample import AudioBlock
from edge.models import VOSK_TINY_EN
from edge.publish.json_lines import read_readings
from edge.update.slots import Slots
from tests.made_release import Maker, put_in
from tests.real import alsa_microphone, trace
from tests.real.alsa_microphone import FifoMicrophone
from tests.real.trace import Trace, read_trace, traced
from tests.soak.scene import CLIP

pytestmark = pytest.mark.skipif(bool(trace.missing()), reason=trace.missing() or "-")

NOWHERE = re.compile(r"/dev/(null|tty)|pipe:\[\d+\]")
JACK = re.compile(r"/dev/shm/jack_db-\d+(/.*)?")
"""PortAudio, where it is built so, looks for a JACK server, and libjack makes an empty data base in memory."""
MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"\x1aE\xdf\xa3", b"ftyp", b"OggS", b"fLaC", b"GIF8", b"BM6")
LONGEST_WORD = 120
"""Pictures and sound may also be written as text; a reading's longest word is the bundle's checksum."""


def ways_out(seen: Trace, readings: Path, *allowed: str) -> list[str]:
    """What a run did and must not do, a line each.

    Args:
        readings: the file that it was told to write.
        allowed: patterns of paths that it may open for writing, make or rename besides; no picture goes there either.
    """
    found = [call for family, call in seen.sockets if family != "AF_UNIX"]
    fits = [re.compile(pattern) for pattern in allowed]
    opened = [path for path in seen.opened if not _within([path], fits)]
    found += [f"opened for writing: {path}" for path in opened if path != str(readings) and not _harmless(path)]
    made = [call for call in seen.made if not _within(_names(call), fits)]
    found += [call for call in made if "/dev/shm/jack_db-" not in call]
    found += seen.unseen
    for place, data in seen.written.items():
        found += [f"{mark!r} to {place}" for mark in MAGIC if mark in data]
        if not JACK.fullmatch(place):
            found += [f"{why} to {place}" for why in _no_readings(bytes(data))]
    return found


def _no_readings(data: bytes) -> list[str]:
    """Why what was written is neither readings nor a log."""
    longest = max(re.split(rb'[\s",:{}\[\]]+', data), key=len)
    found = [f"a word of {len(longest)} letters, {longest[:40]!r}"] if len(longest) > LONGEST_WORD else []
    try:
        data.decode()
    except UnicodeDecodeError:
        found.append(f"{len(data)} bytes that are no text")
    return found


def _within(paths: list[str], allowed: list[re.Pattern[str]]) -> bool:
    return bool(paths) and all(any(pattern.fullmatch(path) for pattern in allowed) for path in paths)


def _names(call: str) -> list[str]:
    """Of the files and folders that a call makes or changes; of a link, not what it leads to."""
    name, _, arguments = call.partition("(")
    paths = re.findall(r'"(.*?)"', arguments)
    return paths[1:] if name.startswith("symlink") else paths


def _harmless(path: str) -> bool:
    return bool(NOWHERE.match(path) or JACK.fullmatch(path))


def watch(folder: Path, *options: str, settings: Mapping[str, str] | None = None) -> Trace:
    """A live run with everything, until it has seen a face and heard words; what it asked the kernel for.

    Args:
        folder: for its home, its readings and the trace.
        options: of the run.
        settings: variables.
    """
    home = folder / "home"
    home.mkdir()
    shutil.copytree(VOSK_TINY_EN, folder / "model")  # not the one that is trusted: it is tried first
    with MediaFile(CLIP) as clip:
        sound = np.concatenate([sample.samples for sample in clip.samples() if isinstance(sample, AudioBlock)])
    readings = folder / "readings.jsonl"
    command = [sys.executable, "-m", "edge.cli", "run", "--camera", str(CLIP), "--stt-model", str(folder / "model")]
    command += ["--jsonl", str(readings), *options]
    with FifoMicrophone() as microphone:
        environment = {**os.environ, **microphone.environment, "HOME": str(home), "TMPDIR": str(home)}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "STATE_DIRECTORY": str(home)}
        environment |= settings or {}
        run = subprocess.Popen(
            [*traced(folder), *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=home
        )
        try:
            until_s = time.monotonic() + 60
            for second in itertools.cycle(range(8)):
                microphone.write(sound[16_000 * second : 16_000 * (second + 1)])
                made = read_readings(readings) if readings.exists() else []
                whole = [r for r in made if r.transcript and r.modalities["face"].state == "live"]
                if len(whole) > 4 or time.monotonic() > until_s:
                    break
            for pid in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text(encoding="utf-8").split():
                os.kill(int(pid), signal.SIGTERM)
            said, _ = run.communicate(timeout=20)
        finally:
            run.kill()
    assert len(whole) > 4, f"it has not seen and heard enough: {said.decode(errors='replace')}"
    assert run.returncode == 0
    return read_trace(folder)


def test_a_whole_run_opens_no_socket_and_writes_nothing_but_readings(tmp_path: Path) -> None:
    if reason := alsa_microphone.missing():
        pytest.skip(reason)
    seen = watch(tmp_path)
    assert {"m3er-edge", "m3er-camera", "m3er-microphone", "m3er-words"} <= seen.processes
    assert str(tmp_path / "readings.jsonl") in seen.opened  # it is seen at all
    assert ways_out(seen, tmp_path / "readings.jsonl") == []
    assert list((tmp_path / "home").rglob("*")) == []


def test_nor_one_on_trial(tmp_path: Path) -> None:
    """And a tuned decoder and the other engine: it notes its start, makes links in memory, and nothing else."""
    if reason := alsa_microphone.missing():
        pytest.skip(reason)
    state, memory, board = tmp_path / "state", tmp_path / "memory", tmp_path / "board.toml"
    memory.mkdir()
    nets = [f'[nets.{net}]\nengine = "onnx"\nprecision = "int8"\n' for net in NETS]
    board.write_text("".join(nets) + "[speech]\nbeam = 9.0\n", encoding="utf-8")
    maker = Maker(tmp_path / "maker")
    slots = Slots(state)
    put_in(maker.release(DEFAULT, 100), slots, maker.keys)
    given = {"STATE_DIRECTORY": state, "RUNTIME_DIRECTORY": memory, "M3ER_BOARD": board}
    seen = watch(tmp_path, settings={name: str(path) for name, path in given.items()})
    noted = rf"{state}/bundles(/lock|/trial\.json(\.part)?)?"
    links = rf"{memory}/m3er-vosk-[^/]+(/.*)?"
    assert ways_out(seen, tmp_path / "readings.jsonl", noted, links) == []
    trial = slots.trial()
    assert trial is not None and trial.starts == 1  # it was on trial
    assert any(re.fullmatch(links, path) for path in seen.opened)  # the decoder was tuned
    assert list(memory.iterdir()) == list((tmp_path / "home").rglob("*")) == []
    for place in (path for path in seen.written if re.fullmatch(noted, path) or re.fullmatch(links, path)):
        assert len(seen.written[place]) < 2000, place


def test_a_run_that_records_is_noticed(tmp_path: Path) -> None:
    if reason := alsa_microphone.missing():
        pytest.skip(reason)
    found = ways_out(watch(tmp_path, "--record", "recording"), tmp_path / "readings.jsonl")
    assert any("opened for writing" in line and line.endswith(".mkv") for line in found), found
    assert any(line.startswith(r"b'\xff\xd8\xff' to ") for line in found), found


def test_a_crash_leaves_no_core_file(tmp_path: Path) -> None:
    """Which would hold the rings' pictures and sound."""
    if (most := resource.getrlimit(resource.RLIMIT_CORE)[1]) == 0:
        pytest.skip("core files are forbidden here already")
    allowed = partial(resource.setrlimit, resource.RLIMIT_CORE, (most, most))
    command = [sys.executable, "-m", "edge.cli", "run", "--camera", str(CLIP), "--jsonl", "readings.jsonl"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path, preexec_fn=allowed
    ) as run:
        try:
            until_s = time.monotonic() + 30
            while not (tmp_path / "readings.jsonl").exists() and time.monotonic() < until_s:
                time.sleep(0.1)
            family = [psutil.Process(run.pid), *psutil.Process(run.pid).children()]
            limits = [process.rlimit(psutil.RLIMIT_CORE)[1] for process in family]
            for process in reversed(family):
                process.send_signal(signal.SIGABRT)
            assert run.wait(10) == -signal.SIGABRT
        finally:
            run.kill()
    assert len(family) == 4 and limits == [1] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["readings.jsonl"]


JPEG = "cv2.imencode('.jpg', np.random.default_rng(0).integers(0, 255, (99, 99, 3), np.uint8))[1].tobytes()"


@pytest.mark.parametrize(
    ("code", "noticed"),
    [
        ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "AF_INET"),
        ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "AF_NETLINK"),
        ("open('picture', 'wb')", "opened for writing: .*/picture"),
        ("tempfile.TemporaryFile()", "opened for writing: .*"),
        ("np.memmap('frames', np.uint8, 'w+', shape=9999)[:] = 7", "opened for writing: .*/frames"),
        ("os.mkdir('folder')", "mkdir.*folder"),
        (f"readings.write({JPEG})", r"xff.*readings.jsonl"),
        ("readings.write(bytes(range(256)) * 99)", "no text to .*readings.jsonl"),
        (f"readings.write(base64.b64encode({JPEG}))", "a word of .*readings.jsonl"),
        ("os.write(1, bytes(range(256)) * 99)", "no text to pipe"),
        ("subprocess.run(['cp', '/proc/self/exe', 'copy'])", "opened for writing: .*/copy"),
        ("readings.write(b'{}')", ""),
    ],
)
def test_each_way_out_is_noticed(tmp_path: Path, code: str, noticed: str) -> None:
    begin = (
        "import base64, os, socket, subprocess, tempfile, cv2, numpy as np; readings = open('readings.jsonl', 'wb'); "
    )
    command = [*traced(tmp_path), sys.executable, "-c", begin + code]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env=environment)
    found = ways_out(read_trace(tmp_path), tmp_path / "readings.jsonl")
    assert (found == []) if not noticed else any(re.search(noticed, line) for line in found), found


def test_an_engine_does_not_tell_of_this_device(tmp_path: Path) -> None:
    """onnxruntime 1.32 writes an ID and a data base for its telemetry when it is imported, unless it is told not to."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    asked = [sys.executable, "-c", "import edge.engines.onnx_engine"]
    subprocess.run(asked, env={**environment, "HOME": str(tmp_path)}, check=True, timeout=60)
    assert not list(tmp_path.rglob("*"))
