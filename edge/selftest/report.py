"""What a self-test found, for whoever has no such board: one JSON object that tells nothing about people or places.

No picture, sound or word; no serial number, address, name of the machine or of its user. Free text comes only from
checks that cannot carry such a thing, and the home folder's name is taken out of it.
"""

import math
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.bench.machine import this_machine
from edge.bench.record import Machine, StepTime
from edge.doctor.checks import Finding, State
from edge.heat import Heat
from edge.selftest.clip import ClipResult
from edge.selftest.live_check import LiveFigures
from edge.selftest.stored import Result

REPORT_VERSION: Literal[1] = 1

_LIBRARIES = (
    *("numpy", "opencv-python-headless", "opencv-python", "av", "vosk", "onnxruntime", "onnxruntime-gpu"),
    *("ai-edge-litert", "tflite-runtime", "safetensors", "pydantic", "PyAudio"),
)
_SPEAK = (
    *("python", "heat", "governor", "memory", "nets", "onnxruntime", "litert", "face detector", "speech model"),
    *("provider", "shared memory", "open files", "self-test", "sample clip", "step cost"),
    *("steps", "camera", "microphone", "words"),
)
"""Findings whose words are in the report; of others only the state: devices bear serial numbers, paths bear names."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class Board(_Record):
    """The machine, and what runs on it."""

    machine: Machine
    system: str
    kernel: str
    memory_mb: int
    libraries: dict[str, str]


class Comparison(_Record):
    """One line of the stored self-test; difference is None where there was no answer."""

    name: str
    difference: float | None
    tolerance: float
    passed: bool


class HeatFigures(_Record):
    """Before and after all that a self-test does."""

    before_c: float | None
    after_c: float | None
    throttled: str | None = Field(description="why the processor is slowed down; null if it is not")


class Observation(_Record):
    """A line of what the user saw; without its words where they may tell too much."""

    name: str
    state: State
    said: str


class Report(_Record):
    """``m3er-edge selftest --report FILE``."""

    schema_version: Literal[1] = Field(default=REPORT_VERSION, alias="schema")
    program: str
    date: str = Field(description="UTC, of the day")
    board: Board
    profile: str = Field(description="the board's profile that was used; empty for none")
    bundle: str
    self_test: list[Comparison]
    clip: ClipResult | None
    steps: list[StepTime]
    clip_step_ms: float | None
    clip_share_of_core: float | None
    live: LiveFigures | None
    heat: HeatFigures
    resident_mb: float
    findings: list[Observation]

    def to_json(self) -> str:
        """The file's content."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def program_version() -> str:
    """Of m3er-edge."""
    return _version("m3er-edge") or "unknown"


def this_board() -> Board:
    """The machine without its name: model, processor, system, libraries."""
    return Board(
        machine=this_machine(),
        system=_system(),
        kernel=platform.release(),
        memory_mb=_memory_mb(),
        libraries={name: found for name in _LIBRARIES if (found := _version(name)) is not None},
    )


def comparisons(results: Sequence[Result]) -> list[Comparison]:
    """Results in the form of the report."""
    return [
        Comparison(
            name=r.name,
            difference=r.difference if math.isfinite(r.difference) else None,
            tolerance=r.tolerance,
            passed=r.passed,
        )
        for r in results
    ]


def heat_figures(before: Heat, after: Heat) -> HeatFigures:
    """Heat in the form of the report."""
    return HeatFigures(before_c=before.temperature_c, after_c=after.temperature_c, throttled=after.why or before.why)


def observations(findings: Sequence[Finding]) -> list[Observation]:
    """Findings in the form of the report: what may tell of people is left out."""
    home = str(Path.home())
    return [
        Observation(name=f.name, state=f.state, said=f.said.replace(home, "~") if f.name in _SPEAK else "")
        for f in findings
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def _memory_mb() -> int:
    try:
        first = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace").splitlines()[0]
        return int(first.split()[1]) // 1024
    except (OSError, IndexError, ValueError):
        return 0
