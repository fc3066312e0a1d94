"""The same step for hours, in a process that does nothing else: neither time nor memory may grow.

python -m export.bench.long_run BUNDLE STEPS
"""

import gc
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from edge.bench.bench import SAMPLE_CLIP
from edge.bench.step_times import WholeStep
from edge.board import Board
from edge.bundle import Bundle, open_bundle
from edge.errors import M3erError
from edge.memory import resident_mb
from export.bench.record import LongRun


def long_run_apart(bundle: Path, steps: int) -> LongRun:
    """In a process of its own. Raises M3erError if it fails."""
    command = [sys.executable, "-m", "export.bench.long_run", str(bundle), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise M3erError(f"{' '.join(command)} failed: {last[0]}")
    return LongRun.model_validate_json(done.stdout)


def long_run(bundle: Bundle, board: Board, clip: Path, steps: int = 20_000, block: int = 500) -> LongRun:
    """The same step again and again.

    Args:
        block: memory is looked at after so many steps.
    """
    whole = WholeStep(bundle, board, clip)
    count = steps // block
    # made beforehand, so that what is noted down does not grow either
    cpu_us, memory_mb, objects, taken = (np.zeros(size) for size in (count, count, count, block))
    for number in range(count):
        for n in range(block):
            begin = time.process_time_ns()
            whole.run()
            taken[n] = time.process_time_ns() - begin
        gc.collect()
        cpu_us[number] = np.median(taken) / 1e3
        memory_mb[number] = resident_mb()
        objects[number] = sys.getallocatedblocks()
    return LongRun(
        block_steps=block,
        steps=[block * (number + 1) for number in range(count)],
        cpu_us=cpu_us.tolist(),
        resident_mb=memory_mb.tolist(),
        allocated_blocks=[int(n) for n in objects],
    )


if __name__ == "__main__":
    print(long_run(open_bundle(Path(sys.argv[1])), Board(), SAMPLE_CLIP, int(sys.argv[2])).model_dump_json())
