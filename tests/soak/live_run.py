"""A real ``m3er-edge run`` as a child, with a look at all of its processes."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from edge.memory import resident_mb
from edge.publish.json_lines import read_readings
from edge.reading import Reading
from edge.worker import process_name


@dataclass(frozen=True)
class Process:
    """One process of the run at one moment."""

    pid: int
    name: str
    cpu_s: float
    memory_mb: float
    files: int


class LiveRun:
    """``with LiveRun(folder, …) as run:`` starts it; it is told to stop at the end, and killed if it does not.

    Args:
        folder: for ``readings.jsonl``, ``log.txt`` and ``printed.txt``.
        options: of ``m3er-edge run``.
        environment: of the microphone; laid over our own.
        readings: another place for the readings.

    Attributes:
        ended_s: how long it took to end after SIGTERM; None while it runs.
        began_s: ``time.monotonic()`` at its start.
        status: its exit status.
    """

    def __init__(
        self, folder: Path, *options: str, environment: dict[str, str] | None = None, readings: Path | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.readings_file, self.log_file = readings or folder / "readings.jsonl", folder / "log.txt"
        self._printed_file = folder / "printed.txt"
        self.readings_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "edge.cli", "run", "--jsonl", str(self.readings_file), *options]
        self._command, self._environment = command, {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
        self.ended_s: float | None = None
        self.status: int | None = None
        self.began_s = 0.0

    def __enter__(self) -> "LiveRun":
        self.began_s = time.monotonic()
        with self.log_file.open("wb") as log, self._printed_file.open("wb") as printed:
            self.child = subprocess.Popen(self._command, stdout=printed, stderr=log, env=self._environment)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.status is None:
            self.stop()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and wait; after 10 s it is killed."""
        began_s = time.monotonic()
        self.child.send_signal(how)
        try:
            self.status = self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.status = self.child.wait()
        self.ended_s = time.monotonic() - began_s

    def processes(self) -> list[Process]:
        """The run itself and everything that it started, as they are now."""
        found = []
        try:
            parent = psutil.Process(self.child.pid)
            family = [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
        for process in family:
            try:
                times = process.cpu_times()
                files = process.num_fds()
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            name, pid = process_name(process.pid), process.pid
            found.append(Process(pid, name, times.user + times.system, resident_mb(process=pid), files))
        return found

    def readings(self) -> list[Reading]:
        """What it has written so far."""
        return read_readings(self.readings_file) if self.readings_file.exists() else []

    def wait_for_readings(self, count: int, timeout_s: float) -> list[Reading]:
        """Wait until so many are written."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            if len(readings := self.readings()) >= count:
                return readings
            if self.child.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"only {len(self.readings())} readings; the log says: {self.log}")

    @property
    def log(self) -> str:
        """What it and its workers said on stderr."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @property
    def printed(self) -> str:
        """What it said on stdout."""
        return self._printed_file.read_text(encoding="utf-8", errors="replace")
