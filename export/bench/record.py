"""What ``make bench`` measures, for machines: out/bench.json."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from edge.bench.record import Bench
from edge.bundle import NetName
from edge.engines.engine import EngineName, Precision


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Peer(_Record):
    """Ours and another's in one run on one core, in turns: microseconds of CPU.

    Attributes:
        group: which comparison it belongs to.
        ours, theirs: what ran.
        ratio: theirs over ours; above 1 ours is cheaper.
    """

    group: str
    ours: str
    ours_us: float
    theirs: str
    theirs_us: float

    @property
    def ratio(self) -> float:
        return self.theirs_us / self.ours_us


class Peak(_Record):
    """The most this core reaches through an engine: multiply-accumulates a second."""

    engine: EngineName
    precision: Precision
    gmac_per_s: float


class Reached(_Record):
    """How near a file of a net comes to the core's limit.

    Attributes:
        macs: multiply-accumulates of one run.
        weight_bytes: read in every run.
        cpu_us: of one run.
        of_peak: share of the peak of the same engine and precision.
        call_us: what calling the engine costs with next to nothing to do.
    """

    net: NetName
    engine: EngineName
    precision: Precision
    macs: int
    weight_bytes: int
    cpu_us: float
    of_peak: float
    call_us: float


class Where(_Record):
    """Where the time of an ONNX file goes: share of each kind of operation."""

    net: NetName
    precision: Precision
    shares: dict[str, float]


class Growth(_Record):
    """CPU microseconds against one quantity."""

    name: str
    unit: str
    what: str
    at: list[float]
    cpu_us: list[float]


class LongRun(_Record):
    """The same step for hours: blocks of steps, their median time, memory and Python's objects after each."""

    block_steps: int
    steps: list[int]
    cpu_us: list[float]
    resident_mb: list[float]
    allocated_blocks: list[int]


class Goal(_Record):
    """A figure that was asked for."""

    what: str
    asked: str
    measured: str
    reached: bool | None


class WholeBench(_Record):
    """All of it."""

    schema_version: Literal[1] = 1
    made: str
    commit: str
    command: str
    board: Bench
    size_ratio: float
    goals: list[Goal]
    peers: list[Peer]
    peaks: list[Peak]
    copy_gb_per_s: float
    reached: list[Reached]
    where: list[Where]
    growth: list[Growth]
    long_run: LongRun
    left_out: list[str]
