"""``m3er-edge run`` as a process of its own: how soon is its first reading there, how much memory does it take."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from edge.bench.record import Start
from edge.errors import M3erError
from edge.memory import MOST_EVER, resident_mb
from edge.settings.settings import NONE


def time_start(bundle: Path, board: str | None, clip: Path, speech_model: bool, runs: int = 5) -> Start:
    """Run the whole clip `runs` times. Raises M3erError if it fails."""
    command = [sys.executable, "-m", "edge.cli", "run", "--input", str(clip), "--bundle", str(bundle)]
    command += [] if speech_model else ["--stt-model", NONE]
    command += [] if board is None else ["--board", board]
    first_s, most = [], []
    for _ in range(runs):
        begin = time.perf_counter()
        most_mb = 0.0
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stderr is not None
            for number, _ in enumerate(process.stdout):
                if number == 0:  # the first reading's line
                    first_s.append(time.perf_counter() - begin)
                most_mb = max(most_mb, resident_mb(MOST_EVER, process.pid))
            said = process.stderr.read().strip()
        if process.returncode:
            raise M3erError(f"{' '.join(command)} failed: {said.splitlines()[-1] if said else process.returncode}")
        most.append(most_mb)
    return Start(
        speech_model=speech_model,
        runs=runs,
        first_reading_s=statistics.median(first_s),
        first_reading_worst_s=max(first_s),
        resident_mb=max(most),
    )
