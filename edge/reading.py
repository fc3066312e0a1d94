"""The record that comes out, several times a second, and its JSON schema.

Readings carry no image and no sound. A change of the fields is a new ``SCHEMA_VERSION``.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Literal[2] = 2
"""Of what is written. Version 1 had no ``sequence``, ``faces`` and ``pace``; files of it are still read."""

Modality = Literal["face", "speech", "text"]
MODALITIES: tuple[Modality, ...] = ("face", "speech", "text")
PAIRS: tuple[tuple[Modality, Modality], ...] = (("face", "speech"), ("face", "text"), ("speech", "text"))

State = Literal["live", "proxy", "absent"]
"""What the fusion step was given for a modality: its own features, regenerated ones, or nothing."""

UNKNOWN = "unknown"


def pair_name(a: str, b: str) -> str:
    """The name of a pair of modalities, as in the bundle's tables and the readings: ``face-speech``."""
    return f"{a}-{b}"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class ModalityReading(_Record):
    """One modality's part in a reading."""

    state: State = Field(description="what the fusion step was given: its own features, regenerated ones, or nothing")
    reason: str | None = Field(default=None, description="why it is not live, e.g. 'no face', 'noise', 'silence'")
    age_s: float | None = Field(default=None, ge=0, description="age of the newest sample behind it; null if none")
    quality: float | None = Field(default=None, ge=0, le=1, description="what the sensor itself thinks of it")
    density: float | None = Field(
        default=None,
        ge=0,
        description="distance from the training cloud over the bundle's limit: above 1 is outside",
    )
    damage: float | None = Field(
        default=None, description="how much the feature looks like a ruined input's: above 0 is damaged"
    )


SlowedBy = Literal["overload", "heat"]


class Pace(_Record):
    """How fast a live run looks and thinks; slower under load and heat."""

    hop_s: float = Field(gt=0, description="seconds from step to step")
    frame_rate_hz: float = Field(gt=0, description="pictures a second that are looked at, at most")
    slowed_by: SlowedBy | None = Field(default=None, description="why it is slower than it could be; null if it is not")
    temperature_c: float | None = Field(default=None, description="of the processor; null where it has no sensor")


class Reading(_Record):
    """How the person seems to feel at one step, and what that rests on."""

    schema_version: Literal[1, 2] = Field(
        default=SCHEMA_VERSION, alias="schema", description="2; files of version 1 lack sequence, faces and pace"
    )
    sequence: int = Field(default=0, ge=0, description="counts the run's readings from 0: a gap is a lost reading")
    time: str = Field(description="wall-clock time of the step, UTC, ISO 8601 with Z")
    t: float = Field(ge=0, description="seconds since the run began, on the monotonic clock")
    emotion: str = Field(description="a label of the bundle, or 'unknown'")
    confidence: float = Field(ge=0, le=1, description="calibrated probability of the most probable label")
    probabilities: dict[str, float] = Field(description="calibrated, of every label of the bundle")
    modalities: dict[Modality, ModalityReading] = Field(description="face, speech and text: what each gave")
    evidence: Literal["correlation", "single", "none"] = Field(
        description="what the modality check rested on: pairs, one modality alone, or nothing at all"
    )
    correlation: dict[str, float] = Field(description="per pair of present modalities, e.g. 'face-speech'")
    threshold: dict[str, float] = Field(description="the bundle's thresholds for the same pairs")
    faces: int = Field(default=0, ge=0, description="how many faces were seen; the nearest one is followed")
    pace: Pace | None = Field(default=None, description="null for a file, which has no pace")
    transcript: str = Field(default="", description="the words that the text encoder read")
    latency_ms: dict[str, float] = Field(
        description="capture_to_reading: from the newest sample behind it; encode, check_proxy_fusion: of the step"
    )
    bundle: str = Field(description="name@sha256:… of the bundle that made this reading")

    def to_json(self) -> str:
        """One line of JSON."""
        return self.model_dump_json(by_alias=True)


def json_schema() -> dict[str, object]:
    """The JSON schema of a reading."""
    return Reading.model_json_schema(by_alias=True)
