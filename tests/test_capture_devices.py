"""The list of devices: video nodes as drivers describe them, microphones through the real PortAudio."""

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.capture import devices
from edge.capture.devices import cameras, microphones, print_devices
from edge.errors import M3erError

CAPTURE, OUTPUT, METADATA, M2M = 0x04200001, 0x04200002, 0x04A00000, 0x04204000
RASPBERRY_PI = [
    # node, name in sysfs, index, driver, capabilities of the node
    ("video0", "HD Webcam: HD Webcam", "0", "uvcvideo", CAPTURE),
    ("video1", "HD Webcam: HD Webcam", "1", "uvcvideo", METADATA),
    ("video2", "unicam-image", "0", "unicam", 0x25200001),
    ("video10", "bcm2835-codec-decode", "0", "bcm2835-codec", M2M),
    ("video13", "bcm2835-isp-output0", "0", "bcm2835-isp", OUTPUT),
    ("video14", "bcm2835-isp-capture0", "1", "bcm2835-isp", CAPTURE),
    ("video19", "rpivid", "0", "rpivid", M2M),
]


def put_node(root: Path, node: str, name: str, index: str) -> None:
    entry = root / "sys/class/video4linux" / node
    entry.mkdir(parents=True)
    (entry / "name").write_text(name + "\n", encoding="utf-8")
    (entry / "index").write_text(index + "\n", encoding="utf-8")
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev" / node).touch()


@pytest.fixture
def pi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Raspberry Pi's nodes. There is no video driver here: what drivers answer is played."""
    for node, name, index, _, _ in RASPBERRY_PI:
        put_node(tmp_path, node, name, index)
    answers = {node: (driver, name, can) for node, name, _, driver, can in RASPBERRY_PI}

    def ioctl(opened: int, request: int, argument: bytes) -> bytes:
        assert (request, len(argument)) == (0x80685600, 104)
        driver, name, can = answers[Path(f"/proc/self/fd/{opened}").readlink().name]
        words = (driver.encode(), name.encode(), b"platform:x", 0, can | 0x80000001, can)
        return struct.pack("16s32s32sIII12x", *words)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    return tmp_path


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may open everything."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def test_only_the_webcam_of_a_pi_is_a_camera(pi: Path) -> None:
    found = cameras(pi)
    assert [camera.index for camera in found] == [0, 1, 2, 10, 13, 14, 19]
    assert [camera.node for camera in found if camera.captures] == ["/dev/video0"]
    assert found[0].source == "0"
    assert [camera.index for camera in found if camera.problem] == [2], "the raw sensor says what is missing"
    assert "python3-picamera2" in (found[2].problem or "")


def test_a_node_that_may_not_be_opened_says_what_to_do() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        put_node(root, "video0", "HD Webcam: HD Webcam", "0")
        put_node(root, "video1", "HD Webcam: HD Webcam", "1")
        put_node(root, "video14", "bcm2835-isp-capture0", "0")
        for node in (root / "dev").iterdir():
            node.chmod(0)
        with as_nobody():
            webcam, metadata, isp = cameras(root)
    assert webcam.denied
    assert "sudo usermod -aG video" in (webcam.problem or "")
    assert metadata.problem is None
    assert not metadata.captures
    assert isp.problem is None
    assert not isp.denied


def test_a_node_of_another_kind_or_one_that_has_gone_is_a_problem(tmp_path: Path) -> None:
    put_node(tmp_path, "video0", "HD Webcam", "0")
    put_node(tmp_path, "video1", "Other Webcam", "0")
    (tmp_path / "dev/video1").unlink()
    for camera in cameras(tmp_path):
        assert "cannot be opened" in (camera.problem or "")


def test_without_any_video_driver(tmp_path: Path) -> None:
    assert cameras(tmp_path) == []


def put_picamera2(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of that name: the real one needs a Raspberry Pi's libcamera."""
    code = f"class Picamera2:\n    @staticmethod\n    def global_camera_info():\n        {body}\n"
    (folder / "picamera2.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_csi_cameras_come_from_picamera2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usb = "{'Model': 'HD Webcam', 'Id': '/base/axi/pcie@120000/rp1/usb@200000-1:1.0-046d:0825', 'Num': 1}"
    csi = "{'Model': 'imx708', 'Id': '/base/axi/pcie@120000/rp1/i2c@88000/imx708@1a', 'Num': 0}"
    put_picamera2(tmp_path, f"print('INFO libcamera v0.5'); return [{csi}, {usb}]", monkeypatch)
    (camera,) = cameras(tmp_path)
    assert (camera.name, camera.source, camera.captures) == ("imx708", "picamera2:0", True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import time; time.sleep(60)", "does not answer"),
        ("raise RuntimeError('libcamera is of another time')", "libcamera is of another time"),
        ("import os; os.kill(os.getpid(), 11)", "signal 11"),
    ],
)
def test_a_picamera2_that_fails_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    monkeypatch.setattr(devices, "_PICAMERA2_TIMEOUT_S", 1.0)
    put_picamera2(tmp_path, body, monkeypatch)
    (camera,) = cameras(tmp_path)
    assert said in (camera.problem or "")
    assert not camera.captures


# --- microphones -------------------------------------------------------------------------------------------------


@dataclass
class Pulse:
    """A private PulseAudio."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]


_PULSE = """
load-module module-native-protocol-unix socket={folder}/pulse.sock auth-anonymous=1
load-module module-null-sink sink_name=speaker rate=16000 channels=1 format=s16le
load-module module-remap-source source_name=robot_ear master=speaker.monitor
set-default-source robot_ear
"""


def why_no_pulse() -> str:
    """Why a private PulseAudio cannot be had here; empty if it can."""
    if shutil.which("pulseaudio") is None or shutil.which("pactl") is None:
        return "pulseaudio is not installed"
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        return "ALSA's plugin for PulseAudio (libasound2-plugins) is not installed"
    return ""


@contextmanager
def private_pulse() -> Iterator[Pulse]:
    """One microphone, robot_ear; nothing of it outside its own folder, whose name is short for the socket's sake."""
    if why_no_pulse():
        pytest.skip(why_no_pulse())
    with tempfile.TemporaryDirectory(prefix="pulse") as folder:
        Path(folder, "default.pa").write_text(_PULSE.format(folder=folder), encoding="utf-8")
        Path(folder, "asoundrc").write_text("pcm.!default { type pulse hint { show on } }\n", encoding="utf-8")
        own = dict.fromkeys(("XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "HOME"), folder)
        own |= {"PULSE_SERVER": f"unix:{folder}/pulse.sock", "ALSA_CONFIG_PATH": f"{folder}/asoundrc"}
        command = ["pulseaudio", "-n", "-F", f"{folder}/default.pa", "--daemonize=no", "--exit-idle-time=-1"]
        command += ["--use-pid-file=no", "--realtime=no", "--high-priority=no"]
        environment = os.environ | own
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until_s = time.monotonic() + 10
            while subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False).returncode:
                assert process.poll() is None, "pulseaudio ended"
                assert time.monotonic() < until_s, "pulseaudio does not start"
                time.sleep(0.05)
            yield Pulse(process, own)
        finally:
            process.kill()
            process.wait()


def test_a_microphone_is_listed_as_portaudio_names_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyaudio")
    with private_pulse() as pulse:
        for name, value in pulse.environment.items():
            monkeypatch.setenv(name, value)
        (microphone,) = microphones()
        print_devices()
    assert (microphone.name, microphone.is_default) == ("default", True)
    assert microphone.channels > 0
    assert microphone.default_rate_hz >= 8000
    said, noise = capfd.readouterr()
    assert f"--mic {microphone.index}   default" in said
    assert noise == "", "nothing of ALSA's"


def test_a_stopped_sound_daemon_does_not_stop_us(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyaudio")
    with private_pulse() as pulse:
        for name, value in pulse.environment.items():
            monkeypatch.setenv(name, value)
        pulse.process.send_signal(signal.SIGSTOP)
        begin_s = time.monotonic()
        with pytest.raises(M3erError, match=r"does not answer within 1.5 s; restart the sound daemon"):
            microphones(timeout_s=1.5)
        assert time.monotonic() - begin_s < 3


def test_without_pyaudio_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    with pytest.raises(M3erError, match=r"pip install 'm3er-edge\[live\]', or make live"):
        microphones()
    print_devices()
    assert "make live" in capsys.readouterr().out


def test_a_broken_pyaudio_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "raise ImportError('libportaudio.so.2: cannot open shared object file')\n"
    (tmp_path / "pyaudio.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "pyaudio", raising=False)
    with pytest.raises(M3erError, match=r"libportaudio.so.2: cannot open shared object file.*apt install"):
        microphones()
