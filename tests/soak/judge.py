"""What a soak's readings say: when each fault was noticed, when it was over, and what the whole cost."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge.reading import Modality, Reading
from tests.soak.usage import Usage

MAIN_PROCESS = "m3er-edge"
_GROWTH_FROM_S = 540.0
"""A shorter soak sees little but the warm-up."""
_ON_TIME_S = 0.001
"""A step may seem to begin so much before its place on the grid: times are rounded."""
# The check's own verdicts: the device works, and its features were looked at.
_LOOKED_AT = frozenset({"uncorrelated", "out of distribution", "damaged", "low quality"})


@dataclass(frozen=True)
class Happened:
    """A fault that was made; times are of the wall clock, seconds.

    Attributes:
        mended_s: from then on the device works again.
        over_s: the next fault, or the end.
    """

    name: str
    hits: tuple[Modality, ...]
    noticed: bool
    broken_s: float
    mended_s: float
    over_s: float


@dataclass(frozen=True)
class Outcome:
    """What became of a fault.

    Attributes:
        detected_s: from the fault to the first reading without the modality; None if there was none.
        recovered_s: from the device's return to the first reading with it; None if there was none.
        rate: steps made by steps due, from the last before the fault to the first after the next began.
        reasons: what the readings said meanwhile.
    """

    happened: Happened
    detected_s: float | None
    recovered_s: float | None
    rate: float
    reasons: tuple[str, ...]


@dataclass
class Soak:
    """All that was seen.

    Attributes:
        usage: by process name.
        wall_ahead_s: the clock of ``happened`` and of the readings less that of ``usage``.
        length_s: from the run's first seconds to its end.
        ended_s, status: how it took SIGTERM.
        left_over: processes and shared memory that were still there.
    """

    happened: list[Happened]
    readings: list[Reading]
    usage: dict[str, Usage]
    wall_ahead_s: float
    length_s: float
    ended_s: float
    status: int
    left_over: list[str]
    log: str

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """Of every fault."""
        return [judge(happened, self.readings) for happened in self.happened]

    @property
    def growth_mb_per_h(self) -> float | None:
        """Of the run's own process; None in a short soak."""
        usage = self.usage.get(MAIN_PROCESS)
        if usage is None or self.length_s < _GROWTH_FROM_S:
            return None
        return slope_per_h(usage.times_s, usage.memory_mb)


def wall_s(reading: Reading) -> float:
    """When a reading was made."""
    return datetime.fromisoformat(reading.time.replace("Z", "+00:00")).timestamp()


def present(reading: Reading, modality: Modality) -> bool:
    """Its device gave something that the check could look at."""
    part = reading.modalities[modality]
    return part.state == "live" or part.reason in _LOOKED_AT


def judge(happened: Happened, readings: list[Reading]) -> Outcome:
    """One fault's outcome from all readings."""
    during = [r for r in readings if happened.broken_s <= wall_s(r) < happened.over_s]
    lost = [r for r in during if not any(present(r, m) for m in happened.hits)]
    back = [r for r in during if wall_s(r) >= happened.mended_s and all(present(r, m) for m in happened.hits)]
    if happened.mended_s == happened.broken_s and lost:  # a worker: it is back after it was gone
        back = [r for r in back if r.sequence > lost[0].sequence]
    before = [r for r in readings if wall_s(r) < happened.broken_s][-1:]  # gaps at both ends count as well
    after = [r for r in readings if wall_s(r) >= happened.over_s][:1]
    reasons = dict.fromkeys(r.modalities[m].reason or "" for r in lost for m in happened.hits)
    return Outcome(
        happened,
        wall_s(lost[0]) - happened.broken_s if lost else None,
        max(0.0, wall_s(back[0]) - happened.mended_s) if back else None,
        step_rate([*before, *during, *after]),
        tuple(reason for reason in reasons if reason),
    )


def step_rate(readings: list[Reading]) -> float:
    """Steps made by steps due; nan for fewer than two."""
    if len(readings) < 2:
        return float("nan")
    due = sum(reading.pace.hop_s for reading in readings[1:] if reading.pace is not None)
    return due / (readings[-1].t - readings[0].t)


def lateness_ms(readings: list[Reading]) -> NDArray[np.float64]:
    """How late each step was on the grid of the first, which a slower pace stretches; less than a hop, then."""
    grid_s, late = 0.0, []
    for reading in readings:
        assert reading.pace is not None
        hop_s = reading.pace.hop_s
        grid_s += hop_s * int((reading.t - grid_s + _ON_TIME_S) / hop_s)
        late.append(1000 * (reading.t - grid_s))
    return np.array(late)


def lost_or_repeated(readings: list[Reading]) -> int:
    """Readings that are missing, or there twice."""
    numbers = [reading.sequence for reading in readings]
    return len(set(range(numbers[0], numbers[-1] + 1)) ^ set(numbers)) + len(numbers) - len(set(numbers))


def slope_per_h(times_s: list[float], values: list[float], warm_up_share: float = 0.25) -> float:
    """Growth after the warm-up, by least squares."""
    first = int(len(values) * warm_up_share)
    if len(values) - first < 3:
        return 0.0
    return float(np.polyfit(times_s[first:], values[first:], 1)[0] * 3600)
