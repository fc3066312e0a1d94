"""What an evaluation measured, as one file: written by the evaluation, read by the report and the model card."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.errors import M3erError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Cell = str | float | int | None

Section = Literal["fusion", "check", "proxies", "missing", "damage", "open questions", "per part"]
"""Where in the report a table stands."""
SECTIONS: tuple[Section, ...] = get_args(Section)


class _Record(BaseModel):
    # Without NaN: it is no JSON, and a score that could not be computed must be left out, not written down.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Figure(_Record):
    """One row of what the scores must reach."""

    part: str = Field(description="'face', 'speech', 'text', 'whole step', …")
    data: str
    split: str = Field(description="what it was measured on, e.g. 'test, 12 speakers'")
    name: str = Field(description="the score's name, e.g. 'accuracy'")
    value: float
    low: float | None = Field(default=None, description="lower end of the 95 % bootstrap interval")
    high: float | None = Field(default=None, description="upper end of it")
    samples: Count
    reach: float | None = Field(default=None, description="what the value must reach; null if nothing is set")
    better: Literal["higher", "lower"] = "higher"
    peer: str = Field(default="", description="who else scored what on this, and where that is written")
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the value is at least as good as it must be; None if nothing is set."""
        if self.reach is None:
            return None
        return self.value >= self.reach if self.better == "higher" else self.value <= self.reach

    @model_validator(mode="after")
    def _interval(self) -> "Figure":
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high go together")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low is above high")
        return self


class Table(_Record):
    """Scores side by side, with what to read from them."""

    key: str = Field(pattern=r"^\S+$", description="its own name, for links")
    section: Section
    title: str
    text: str = Field(default="", description="a paragraph: the protocol, and what to read from it")
    columns: list[str]
    rows: list[list[Cell]]
    decimals: int = Field(default=3, ge=0, le=9)

    @model_validator(mode="after")
    def _rectangle(self) -> "Table":
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(f"row {number} has {len(row)} cells for {len(self.columns)} columns")
        return self


class Confusion(_Record):
    """How often each label was taken for each other: a row per true label."""

    title: str
    split: str
    labels: list[str]
    counts: list[list[Count]]

    @model_validator(mode="after")
    def _square(self) -> "Confusion":
        if [len(row) for row in self.counts] != [len(self.labels)] * len(self.labels):
            raise ValueError(f"counts is not {len(self.labels)} rows of {len(self.labels)}, as there are labels")
        return self


class RocCurve(_Record):
    """What one detector finds for how many false alarms."""

    name: str
    false_positive: list[Share]
    true_positive: list[Share]
    area: Share

    @model_validator(mode="after")
    def _same_length(self) -> "RocCurve":
        _check_lengths({"false_positive": self.false_positive, "true_positive": self.true_positive})
        return self


class Roc(_Record):
    """Detectors to be compared."""

    title: str
    text: str = ""
    curves: list[RocCurve]


class ReliabilityBin(_Record):
    """Samples of like confidence; bins without samples are left out."""

    confidence: Share
    accuracy: Share
    samples: int = Field(ge=1)


class Reliability(_Record):
    """Whether what is said with confidence p is right p of the time."""

    title: str
    bins: list[ReliabilityBin]
    error_before: Share = Field(description="expected calibration error without the bundle's temperature")
    error_after: Share = Field(description="with it, as shipped; the bins are of this")


class ChosenPoint(_Record):
    """Where on a coverage curve the bundle stands."""

    coverage: Share
    accuracy: Share
    threshold: float


class Coverage(_Record):
    """How right the answers are, for how many of the samples one is given."""

    title: str
    coverage: list[Share]
    accuracy: list[Share]
    chosen: ChosenPoint | None = None

    @model_validator(mode="after")
    def _same_length(self) -> "Coverage":
        _check_lengths({"coverage": self.coverage, "accuracy": self.accuracy})
        return self


class LearningCurve(_Record):
    """A training, epoch by epoch."""

    net: str
    epochs: list[Count]
    series: dict[str, list[float]] = Field(description="by name; a name that holds 'loss' is one, the rest are scores")

    @model_validator(mode="after")
    def _same_length(self) -> "LearningCurve":
        _check_lengths({"epochs": self.epochs, **self.series})
        return self


class ProxyRow(_Record):
    """One moment's features: as they were, as damaged, and as the proxy gives them."""

    name: str
    true: list[float]
    noisy: list[float]
    regenerated: list[float]


class ProxyPicture(_Record):
    """Features beside their proxies, the paper's figure 7."""

    title: str
    text: str = ""
    modality: str
    rows: list[ProxyRow]

    @model_validator(mode="after")
    def _same_length(self) -> "ProxyPicture":
        for number, row in enumerate(self.rows, 1):
            if {len(row.true), len(row.noisy), len(row.regenerated)} != {len(self.rows[0].true)}:
                raise ValueError(f"the strips of row {number} are not as long as the first")
        return self


class Mistake(_Record):
    """A confident wrong answer, by number: no picture or sound of a corpus may be passed on."""

    part: str
    name: str = Field(description="the clip's or image's number")
    truth: str
    guess: str
    confidence: Share
    probabilities: dict[str, Share]
    note: str = Field(default="", description="what else may be told, e.g. the transcript")


class Evaluation(_Record):
    """Everything that was measured of one bundle, and how."""

    bundle: str = Field(description="name@sha256:…")
    commit: str
    command: str
    machine: str
    seed: int
    made: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="ISO date")
    data: str
    figures: list[Figure] = []
    tables: list[Table] = []
    confusions: list[Confusion] = []
    rocs: list[Roc] = []
    reliabilities: list[Reliability] = []
    coverages: list[Coverage] = []
    learning: list[LearningCurve] = []
    proxies: list[ProxyPicture] = []
    mistakes: list[Mistake] = Field(default=[], description="worst first")

    @model_validator(mode="after")
    def _one_table_a_key(self) -> "Evaluation":
        keys = [table.key for table in self.tables]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"two tables have the key {key!r}")
        return self


def read_evaluation(path: Path) -> Evaluation:
    """Read what ``write_evaluation`` wrote. Raises M3erError, naming the file and the field, if it cannot be."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise M3erError(f"{path}: cannot be read ({error.strerror}); make it with `m3er-export evaluate`") from None
    try:
        return Evaluation.model_validate_json(text)
    except ValidationError as error:
        raise M3erError(f"{path}: {_first_fault(error)}; make it again with `m3er-export evaluate`") from None


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write it as JSON; an older file is replaced whole. Raises M3erError if that fails."""
    write_whole(path, evaluation.model_dump_json(indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write beside ``path`` and then rename, so that nobody ever reads half a file."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise M3erError(f"{path}: cannot be written ({error.strerror}); check the folder and the free space") from error


def _check_lengths(series: Mapping[str, Sequence[float]]) -> None:
    (first, some), *others = series.items()
    for name, values in others:
        if len(values) != len(some):
            raise ValueError(f"{name} has {len(values)} values, {first} has {len(some)}")


def _first_fault(error: ValidationError) -> str:
    """``figures.3.value: …``: where the first fault is and what it is."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the file"
    return f"lacks {where}" if first["type"] == "missing" else f"{where}: {first['msg'].removeprefix('Value error, ')}"
