"""The ALSA examples: real alsa-lib understands them, and our microphone hears through each what it should."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

SYSTEM = Path("/usr/share/alsa/alsa.conf")
EXAMPLES = Path(__file__).parent.parent / "firmware_configs" / "alsa"

pytest.importorskip("pyaudio", reason="PyAudio not installed: make live")
pytestmark = pytest.mark.skipif(not SYSTEM.exists(), reason="libasound2-data not installed: run 'make system'")

OPEN = """
import ctypes
alsa, handle = ctypes.CDLL("libasound.so.2"), ctypes.c_void_p()
alsa.snd_strerror.restype = ctypes.c_char_p
print(alsa.snd_strerror(alsa.snd_pcm_open(ctypes.byref(handle), b"m3er", 1, 1)).decode())
"""
HEAR = """
import numpy as np
from edge.capture.microphone import Microphone
microphone = Microphone("m3er")
sound = np.concatenate([microphone.read().samples for _ in range(10)]).astype(float)
print(np.sqrt(np.mean(sound**2)), np.abs(np.fft.rfft(sound)).argmax())
"""


def run_with(code: str, *configuration: Path) -> str:
    environment = {**os.environ, "ALSA_CONFIG_PATH": ":".join(map(str, (SYSTEM, *configuration)))}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.conf")), ids=lambda path: path.stem)
def test_an_example_lacks_nothing_but_its_hardware(example: Path) -> None:
    assert run_with(OPEN, example) == "No such device"


@pytest.mark.parametrize(("good", "bad"), [("slave.channels", "slave.chanels"), ("ipc_gid audio", "ipc_gid nobodys")])
def test_an_example_that_alsa_does_not_understand_is_noticed(tmp_path: Path, good: str, bad: str) -> None:
    broken = tmp_path / "broken.conf"
    text = (EXAMPLES / "respeaker-2mic.conf").read_text(encoding="utf-8")
    broken.write_text(text.replace(good, bad), encoding="utf-8")
    assert run_with(OPEN, broken) == "Invalid argument"


@pytest.mark.parametrize(
    ("example", "hardware", "form", "volumes", "heard"),
    [
        ("usb", "shared_microphone", "<i2", [1.0], 1.0),
        ("respeaker-2mic", "shared_microphone", "<i2", [1.0, 0.5], 0.75),
        ("respeaker-4mic", "microphone_card", "<i4", [0.8, 0, 0, 0], 0.8),
        ("respeaker-usb", "shared_microphone", "<i2", [0.6, 1, 1, 1, 1, 1], 0.6),
    ],
)
def test_our_microphone_hears_the_right_channels(
    tmp_path: Path, example: str, hardware: str, form: str, volumes: Sequence[float], heard: float
) -> None:
    """A hum of 200 Hz, in each channel with another volume; a file takes the place of the card."""
    hum = 16_000 * np.sin(2 * np.pi * 200 * np.arange(32_000) / 16_000)[:, np.newaxis] * np.asarray(volumes)
    (hum * (1 if form == "<i2" else 1 << 16)).astype(form).tofile(tmp_path / "sound")
    card = tmp_path / "card.conf"
    file = f'type file slave.pcm null file /dev/null infile "{tmp_path / "sound"}" format raw'
    card.write_text(f"pcm.!{hardware} {{ {file} }}", encoding="utf-8")
    loudness, pitch_hz = map(float, run_with(HEAR, EXAMPLES / f"{example}.conf", card).split())
    assert loudness == pytest.approx(heard * 16_000 / np.sqrt(2), rel=0.01)
    assert pitch_hz == 200  # of one second
