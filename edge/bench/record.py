"""What was measured on a board, for machines: ``m3er-edge bench --json``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from edge.bundle import NetName
from edge.engines.engine import EngineName, Precision
from edge.settings.settings import NetChoice


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Machine(_Record):
    """Where it was measured."""

    name: str
    cores: int
    architecture: str
    python: str
    onnxruntime: str
    providers: list[str]
    litert: str


class NetTime(_Record):
    """One file of a net, microseconds a run; None where it could not be run, and why."""

    net: NetName
    engine: EngineName
    precision: Precision
    threads: int
    file_bytes: int
    runs_on: str
    cpu_us: float | None = None
    wall_us: float | None = None
    wall_p99_us: float | None = None
    failure: str | None = None


class StepTime(_Record):
    """One step as a device runs it, microseconds of CPU of the whole process.

    Attributes:
        cpu_us, wall_us, wall_p99_us: in the quietest of the windows in which it was timed.
        cpu_loudest_us: the median of the loudest.
    """

    part: str
    what: str
    cpu_us: float
    cpu_loudest_us: float | None = None
    wall_us: float
    wall_p99_us: float


class Media(_Record):
    """One second of sound and pictures through the runtime, without speech-to-text.

    Attributes:
        share_of_core: CPU seconds a second, decoding not counted.
        decoding_share_of_core: what reading the file cost beside.
    """

    frames_per_s: float
    detector: str
    share_of_core: float
    decoding_share_of_core: float


class Start(_Record):
    """``m3er-edge run`` as a process of its own, without and with the speech model.

    Attributes:
        first_reading_s: from the process's start to its first reading of the sample clip, median and worst.
        resident_mb: the most memory that it ever held.
    """

    speech_model: bool
    runs: int
    first_reading_s: float
    first_reading_worst_s: float
    resident_mb: float


class Bench(_Record):
    """Everything that ``m3er-edge bench`` measures."""

    schema_version: Literal[1] = 1
    made: str
    machine: Machine
    bundle: str
    nets: list[NetTime]
    choice: dict[NetName, NetChoice]
    steps: list[StepTime]
    media: Media
    starts: list[Start]

    def chose(self, one: NetTime) -> bool:
        """Whether a timed file is the choice for its net."""
        choice = self.choice[one.net]
        return (one.engine, one.precision, one.threads) == (choice.engine, choice.precision, choice.threads)
