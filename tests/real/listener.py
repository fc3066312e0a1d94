"""Another process that listens to a microphone through PyAudio, as the product does; PortAudio keeps what it saw."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyaudio
from numpy.typing import NDArray

_ROOT = Path(__file__).parent.parent.parent
_RETRY_S = 0.1
_START_S = 30.0


class Listener:
    """Listens from ``with`` on, and tells what it meets: ``sound``, ``silence``, ``error -9999 …``, ``opened``.

    After an error it closes what it had and tries anew with a new PyAudio(), again and again.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._told: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> "Listener":
        self._process = _start(self._environment, "listen")
        threading.Thread(target=self._collect, daemon=True).start()
        self.meets("opened", within_s=_START_S)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.communicate()

    def meets(self, what: str, within_s: float = 5.0) -> None:
        """Wait until it meets this; raises AssertionError with what it met instead."""
        met: list[str] = []
        deadline = time.monotonic() + within_s
        while not (met and met[-1].startswith(what)):
            try:
                met.append(self._told.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"no {what} within {within_s} s, but {met[-5:] or 'nothing'}") from None

    def hangs(self, for_s: float = 1.0) -> bool:
        """Whether it meets nothing for so long, after what is on its way."""
        time.sleep(0.5)
        while not self._told.empty():
            self._told.get()
        try:
            self._told.get(timeout=for_s)
        except queue.Empty:
            return self._process.poll() is None
        return False

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._told.put(line.decode().strip())


def record(
    environment: Mapping[str, str], seconds: float, rate_hz: int = 16_000, channels: int = 1
) -> NDArray[np.int16]:
    """Listen in another process that ends; (n, channels). Raises OSError as PyAudio does there."""
    process = _start(environment, "record", str(seconds), str(rate_hz), str(channels))
    said, _ = process.communicate(timeout=_START_S + seconds)
    if process.returncode:
        code, _, text = said.decode().partition(" ")
        raise OSError(int(code or 0), text)
    return np.frombuffer(said, np.int16).reshape(-1, channels)


def devices(environment: Mapping[str, str]) -> list[str]:
    """The names of the devices that PortAudio lists."""
    said, _ = _start(environment, "list").communicate(timeout=_START_S)
    return said.decode().splitlines()


def _start(environment: Mapping[str, str], *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.real.listener", *words]
    return subprocess.Popen(
        command, cwd=_ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def _listen() -> None:
    block = 1_600  # a tenth of a second
    while True:
        audio, stream = pyaudio.PyAudio(), None
        try:
            stream = audio.open(
                format=pyaudio.paInt16, channels=1, rate=16_000, input=True, frames_per_buffer=block // 4
            )
            print("opened", flush=True)
            while True:
                heard = stream.read(block, exception_on_overflow=False)
                print("sound" if any(heard) else "silence", flush=True)
        except OSError as error:
            print("error", error.errno, error.strerror, flush=True)
            if stream is not None:
                stream.close()
        audio.terminate()
        time.sleep(_RETRY_S)


def _record(seconds: float, rate_hz: int, channels: int) -> None:
    audio = pyaudio.PyAudio()
    try:
        stream = audio.open(format=pyaudio.paInt16, channels=channels, rate=rate_hz, input=True)
        sys.stdout.buffer.write(stream.read(round(seconds * rate_hz), exception_on_overflow=False))
        stream.close()
    except OSError as error:
        print(error.errno, error.strerror)
        sys.exit(1)


def _list() -> None:
    audio = pyaudio.PyAudio()
    for index in range(audio.get_device_count()):
        print(audio.get_device_info_by_index(index)["name"])


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        _listen()
    elif sys.argv[1] == "record":
        _record(float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        _list()
