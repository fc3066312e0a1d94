"""A microphone of ALSA alone, fed by hand through a FIFO: no daemon, and the same samples each time."""

import fcntl
import os
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.real.child import missing_commands

_BLOCK_S = 0.02
_FIFO_S = 0.5  # what waits there is stale when somebody opens the microphone; the kernel rounds up
_COMPILE_S = 60.0


def missing() -> str:
    """Why there can be no FifoMicrophone here; empty if there can be."""
    header = Path("/usr/include/alsa/asoundlib.h").exists()
    return missing_commands("gcc") or ("" if header else "libasound2-dev not installed: run 'make system'")


class FifoMicrophone:
    """A microphone for a process started with ``environment``; what is written is heard, sample for sample.

    As hardware does, it opens with its own rate and number of channels only, and can be pulled out. While nothing is
    written, reading waits. It is a plugin of ALSA, compiled when it is entered (a quarter of a second).

    Args:
        rate_hz: of its sound.
        channels: of its sound.
    """

    def __init__(self, rate_hz: int = 16_000, channels: int = 1) -> None:
        self.rate_hz, self.channels = rate_hz, channels
        self._hold = -1
        self._changing = threading.Lock()  # nobody writes to a file that is being closed
        self._due_s = 0.0

    def __enter__(self) -> "FifoMicrophone":
        self._temporary = tempfile.TemporaryDirectory(prefix="alsa-microphone-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name)
        self._fifo = self._folder / "sound"
        self.environment = {"ALSA_CONFIG_PATH": str(self._folder / "asoundrc")}
        try:
            (self._folder / "asoundrc").write_text(self._asoundrc(), encoding="utf-8")
            self._make_fifo()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close_fifo()
        self._temporary.cleanup()

    def write(self, sound: NDArray[np.int16]) -> int:
        """Speak into it, at the speed of life; returns how many frames nobody read within half a second: they are lost.

        Args:
            sound: at ``rate_hz``; (n,), the same in every channel, or (n, channels).
        """
        frames = np.asarray(sound, "<i2")
        if frames.ndim == 1:
            frames = np.repeat(frames[:, np.newaxis], self.channels, axis=1)
        if frames.shape[1:] != (self.channels,):
            raise ValueError(f"sound of shape {sound.shape}; give (n,) or (n, {self.channels})")
        # Up to PIPE_BUF (4096) bytes go in as a whole or not at all, so that frames stay whole.
        block = min(round(_BLOCK_S * self.rate_hz), 4096 // (2 * self.channels))
        self._due_s = max(self._due_s, time.monotonic() - _BLOCK_S)
        lost = 0
        for start in range(0, len(frames), block):
            piece = frames[start : start + block]
            self._due_s += len(piece) / self.rate_hz
            time.sleep(max(0.0, self._due_s - time.monotonic()))
            lost += self._push(piece.tobytes()) // (2 * self.channels)
        return lost

    def unplug(self) -> None:
        """The card is gone: whoever reads is told so by ALSA, and nobody can open it. What is written is lost."""
        self._fifo.unlink()
        self._close_fifo()

    def plug_in(self) -> None:
        """It is there again, for those who open it anew."""
        self._make_fifo()

    def _push(self, block: bytes) -> int:
        """Into the FIFO; when it is full, the oldest blocks make room. Returns how many bytes were lost."""
        lost = 0
        with self._changing:
            while self._hold >= 0:
                try:
                    os.write(self._hold, block)
                    return lost
                except BlockingIOError:
                    with suppress(BlockingIOError):  # somebody has read it in this very moment
                        lost += len(os.read(self._hold, len(block)))
        return len(block)

    def _asoundrc(self) -> str:
        library = self._folder / "fifo_microphone.so"
        source = Path(__file__).parent / "fifo_microphone.c"
        command: list[str | Path] = ["gcc", "-shared", "-fPIC", "-DPIC", "-o", library, source, "-lasound"]
        subprocess.run(command, check=True, timeout=_COMPILE_S)
        return f"""
pcm_type.fifo_microphone {{ lib "{library}" }}
pcm.!default {{
  type fifo_microphone
  fifo "{self._fifo}"
  rate {self.rate_hz}
  channels {self.channels}
  hint {{ show on description "FIFO microphone" }}
}}
"""

    def _make_fifo(self) -> None:
        os.mkfifo(self._fifo)
        # Open for reading, too: so opening never waits, and readers never see an end.
        self._hold = os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self._hold, fcntl.F_SETPIPE_SZ, int(_FIFO_S * 2 * self.channels * self.rate_hz))

    def _close_fifo(self) -> None:
        with self._changing:
            if self._hold >= 0:
                os.close(self._hold)
                self._hold = -1
