"""Which cameras and microphones there are. What may hang (PortAudio, libcamera) is asked in a process of its own."""

import fcntl
import importlib.util
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import M3erError

NO_PYAUDIO = "PyAudio is not installed; pip install 'm3er-edge[live]', or make live"

_ADD_TO_VIDEO = "add the user to the group video: sudo usermod -aG video $USER, then log in again"
_PICAMERA2 = "picamera2"
_PICAMERA2_TIMEOUT_S = 8.0

# <linux/videodev2.h>
_VIDIOC_QUERYCAP = 0x80685600
_CAPABILITY = struct.Struct("16s 32s 32s I I I 12x")  # driver, card, bus, version, of the device, of this node
_CAPTURES = 0x00000001 | 0x00001000
_MEMORY_TO_MEMORY = 0x00004000 | 0x00008000
_HAS_NODE_CAPABILITIES = 0x80000000

_IMAGE_PROCESSORS = ("bcm2835-isp", "bcm2835-codec", "pispbe", "rpivid", "rpi-hevc-dec")
"""A Raspberry Pi has a dozen nodes of these; some say that they capture, what was given to them before."""
_RAW_SENSORS = ("unicam", "rp1-cfe", "tegra-video", "vi-output")
"""CSI cameras give raw sensor data here; pictures are made of it by libcamera or, on a Jetson, by GStreamer."""

_ASK_PORTAUDIO = """
import json, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
import pyaudio
audio = pyaudio.PyAudio()
try:
    default = audio.get_default_input_device_info()["index"]
except OSError:
    default = None
found = []
for number in range(audio.get_device_count()):
    info = audio.get_device_info_by_index(number)
    name = info["name"]
    if isinstance(name, bytes):
        name = name.decode(errors="replace")
    if info["maxInputChannels"] > 0:
        found.append([number, name, info["maxInputChannels"], info["defaultSampleRate"], number == default])
print("\\n" + json.dumps(found), flush=True)
"""
_ASK_PICAMERA2 = """
import json
from picamera2 import Picamera2
print("\\n" + json.dumps([[c.get("Model", ""), c.get("Id", "")] for c in Picamera2.global_camera_info()]), flush=True)
"""


@dataclass(frozen=True)
class CameraDevice:
    """A camera, or another video node that could be taken for one.

    Attributes:
        index: N of ``/dev/videoN``; of a CSI camera picamera2's number.
        name: what its driver calls it.
        node: ``/dev/videoN``; ``picamera2:N`` for a CSI camera.
        captures: it gives pictures; codecs, image processors and raw sensors do not.
        problem: why it cannot be used, and what to do; None if nothing is known against it.
        denied: the user may not open it.
    """

    index: int
    name: str
    node: str
    captures: bool
    problem: str | None = None
    denied: bool = False

    @property
    def source(self) -> str:
        """What ``--camera`` takes."""
        return self.node if self.node.startswith(_PICAMERA2) else str(self.index)


@dataclass(frozen=True)
class MicrophoneDevice:
    """An input of PortAudio.

    Attributes:
        index: PortAudio's number; changes when devices come and go.
        name: exactly as PortAudio says it.
        channels: that it has at most; a sound daemon says 32 for any.
        default_rate_hz: its own sample rate.
        is_default: it is taken when none is asked for.
    """

    index: int
    name: str
    channels: int
    default_rate_hz: int
    is_default: bool


def cameras(root: Path = Path("/")) -> list[CameraDevice]:
    """Every video node, and the CSI cameras that picamera2 finds where it is installed.

    Args:
        root: where ``sys`` and ``dev`` are; another than ``/`` for tests.
    """
    nodes = [path for path in (root / "sys/class/video4linux").glob("video*") if path.name[5:].isdecimal()]
    found = [_camera(path, root) for path in sorted(nodes, key=lambda path: int(path.name[5:]))]
    return found + _csi_cameras()


def microphones(timeout_s: float = 8.0) -> list[MicrophoneDevice]:
    """What PortAudio can record from.

    Args:
        timeout_s: PortAudio hangs for ever where a sound daemon is stopped.

    Raises:
        M3erError: PyAudio is missing or broken, or the sound system does not answer.
    """
    if importlib.util.find_spec("pyaudio") is None:
        raise M3erError(f"microphones: {NO_PYAUDIO}")
    try:
        done = _ask(_ASK_PORTAUDIO, timeout_s)
    except subprocess.TimeoutExpired:
        raise M3erError(
            f"microphones: the sound system does not answer within {timeout_s:g} s; restart the sound daemon: "
            "systemctl --user restart pipewire pipewire-pulse, or pulseaudio"
        ) from None
    found = _answer(done.stdout)
    if done.returncode or found is None:
        raise M3erError(
            f"microphones: PyAudio cannot ask for them ({_last_words(done)}); install it anew: make system live, or "
            "apt install libportaudio2 and pip install --force-reinstall pyaudio"
        )
    return [MicrophoneDevice(number, name, most, round(rate), default) for number, name, most, rate, default in found]


def print_devices() -> None:
    """Both as tables, each with the very option to type."""
    every = cameras()
    useful = [camera for camera in every if camera.captures or camera.problem]
    print("Cameras")
    rows = [(f"--camera {c.source}" if c.captures and not c.problem else "", c.name, c.problem or "") for c in useful]
    _print_table(rows or [("", "none found", "")])
    if len(every) > len(useful):
        print(f"  ({len(every) - len(useful)} more video nodes belong to codecs and image processors)")
    print("\nMicrophones")
    try:
        inputs = microphones()
    except M3erError as error:
        print(f"  {str(error).removeprefix('microphones: ')}")
        return
    _print_table(
        [
            (
                f"--mic {one.index}",
                one.name,
                f"{one.default_rate_hz} Hz{', default' if one.is_default else ''}",
            )
            for one in inputs
        ]
        or [("", "none found", "")]
    )
    if inputs:
        print("  (a piece of the name does, too, and stays right when devices come and go)")


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).strip())


def _camera(entry: Path, root: Path) -> CameraDevice:
    """What a node is: by its driver where it can be opened, by what sysfs says of it otherwise."""
    number, node = int(entry.name[5:]), f"/dev/{entry.name}"
    name = _text(entry / "name") or entry.name
    # The second node of a USB camera holds its metadata.
    captures = _text(entry / "index") in ("", "0") and not name.startswith(_IMAGE_PROCESSORS)
    problem, denied = None, False
    try:
        driver, name, captures = _capability(root / node[1:], name)
    except PermissionError:
        driver, denied = name, True
        problem = f"no permission to open {node}; {_ADD_TO_VIDEO}" if captures else None
    except OSError as error:
        driver = name
        problem = f"{node} cannot be opened ({error.strerror}); unplug it and plug it in again" if captures else None
    if driver.startswith(_IMAGE_PROCESSORS):
        captures, problem = False, None
    elif f"{driver} {name}".startswith(_RAW_SENSORS) or name.startswith(_RAW_SENSORS):
        captures, problem = False, _how_to_use(driver) if captures and _text(entry / "index") in ("", "0") else None
    return CameraDevice(number, name, node, captures, problem, denied and captures)


def _how_to_use(driver: str) -> str | None:
    """A CSI camera's raw node is no problem where picamera2 lists the camera itself."""
    if driver.startswith(("tegra", "vi-")):
        return "a Jetson's CSI camera; give --camera a GStreamer pipeline that begins with nvarguscamerasrc"
    if importlib.util.find_spec(_PICAMERA2) is None:
        return (
            "a CSI port, which needs picamera2; sudo apt install python3-picamera2, and make the virtual environment "
            "with --system-site-packages"
        )
    return None


def _capability(node: Path, name: str) -> tuple[str, str, bool]:
    """A node's driver, its name and whether it captures. Raises OSError."""
    opened = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        answer = fcntl.ioctl(opened, _VIDIOC_QUERYCAP, bytes(_CAPABILITY.size))
    finally:
        os.close(opened)
    driver, card, _bus, _version, of_device, of_node = _CAPABILITY.unpack(answer)
    can = of_node if of_device & _HAS_NODE_CAPABILITIES else of_device
    return _string(driver), _string(card) or name, bool(can & _CAPTURES) and not can & _MEMORY_TO_MEMORY


def _csi_cameras() -> list[CameraDevice]:
    if importlib.util.find_spec(_PICAMERA2) is None:
        return []
    try:
        done = _ask(_ASK_PICAMERA2, _PICAMERA2_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        problem = f"picamera2 does not answer within {_PICAMERA2_TIMEOUT_S:g} s; another program may hold the camera"
        return [CameraDevice(0, "CSI cameras", f"{_PICAMERA2}:0", False, problem)]
    found = _answer(done.stdout)
    if done.returncode or found is None:
        problem = f"picamera2 fails ({_last_words(done)}); sudo apt install --reinstall python3-picamera2"
        return [CameraDevice(0, "CSI cameras", f"{_PICAMERA2}:0", False, problem)]
    # USB cameras are listed, too, behind the others; they are video nodes for us.
    return [
        CameraDevice(number, str(model), f"{_PICAMERA2}:{number}", True)
        for number, (model, where) in enumerate(found)
        if "usb" not in str(where).lower()
    ]


def _ask(code: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """A child's last word. PortAudio's JACK must not start a server, and ALSA's noise is not for the user."""
    environment = os.environ | {"JACK_NO_START_SERVER": "1"}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=environment,
        timeout=timeout_s,
        check=False,
        encoding="utf-8",
        errors="replace",
    )


def _answer(said: str) -> list[Any] | None:
    try:
        answer = json.loads(said.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return answer if isinstance(answer, list) else None


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"it crashed, signal {-done.returncode}"
    lines = [line for line in done.stderr.splitlines() if re.match(r"\w+(Error|Exception)\b", line)]
    return lines[-1] if lines else f"it ended with status {done.returncode}"


def _string(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
