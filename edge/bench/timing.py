"""Time several things against each other on a machine that is never quiet: in turns, by CPU time."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Timed:
    """Microseconds of one call.

    Attributes:
        cpu_us: median CPU time of the whole process, all threads that a library may keep included.
        wall_us, wall_p99_us: median and 99th percentile of the time that passed.
    """

    cpu_us: float
    wall_us: float
    wall_p99_us: float


def warm_up(call: Callable[[], object], seconds: float) -> None:
    """Keep the core busy: after idling, a virtual one takes some five seconds to come back to its speed."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        call()


def interleaved(calls: Mapping[str, Callable[[], object]], rounds: int = 30, seconds: float = 0.01) -> dict[str, Timed]:
    """Time each call in turns: in every round each is run for about `seconds`, after a warm-up round.

    A disturbance then meets all alike, and ratios hold where absolute times do not.
    """
    count = {name: _calls_in(call, seconds) for name, call in calls.items()}
    cpu: dict[str, list[NDArray[np.int64]]] = {name: [] for name in calls}
    wall: dict[str, list[NDArray[np.int64]]] = {name: [] for name in calls}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for round_number in range(rounds + 1):
            for name, call in calls.items():
                taken = _run(call, count[name])
                if round_number:  # the first one warms up
                    cpu[name].append(taken[0])
                    wall[name].append(taken[1])
            gc.collect(0)
    finally:
        if collecting:
            gc.enable()
    return {name: _summary(np.concatenate(cpu[name]), np.concatenate(wall[name])) for name in calls}


def _summary(cpu_ns: NDArray[np.int64], wall_ns: NDArray[np.int64]) -> Timed:
    return Timed(
        cpu_us=float(np.median(cpu_ns)) / 1e3,
        wall_us=float(np.median(wall_ns)) / 1e3,
        wall_p99_us=float(np.percentile(wall_ns, 99)) / 1e3,
    )


def _calls_in(call: Callable[[], object], seconds: float) -> int:
    call()
    begin = time.perf_counter()
    call()
    return int(np.clip(seconds / max(time.perf_counter() - begin, 1e-9), 1, 2_000))


def _run(call: Callable[[], object], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cpu, wall = np.empty(count, np.int64), np.empty(count, np.int64)
    for n in range(count):
        begin_wall, begin = time.perf_counter_ns(), time.process_time_ns()
        call()
        cpu[n] = time.process_time_ns() - begin
        wall[n] = time.perf_counter_ns() - begin_wall
    return cpu, wall
