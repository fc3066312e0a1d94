"""What a sample clip says about itself: which sensor fails from when to when, and what is said."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from export.sample_picture import Cover

Face = Literal["good", "covered", "black", "frozen"]
Speech = Literal["good", "drowned", "silent"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Word(_Record):
    """A spoken word; espeak-ng's own start time, ending where the next word starts."""

    word: str
    start_s: float
    end_s: float


class Sentence(_Record):
    """A spoken sentence, in the spelling of vosk-tiny-en's vocabulary."""

    start_s: float
    end_s: float
    text: str
    words: list[Word]
    audible: bool = Field(description="false where noise drowns it")


class Segment(_Record):
    """A part of the clip in which both sensors stay as they are. Borders lie on frames and cut no word."""

    start_s: float
    end_s: float
    face: Face
    speech: Speech
    camera: str
    microphone: str


class Truth(_Record):
    """What is true in a clip. Segments follow each other without gaps from 0 to ``duration_s``."""

    seed: int
    voice: str
    rate_wpm: int = Field(description="words a minute asked for, pauses between sentences not counted")
    duration_s: float
    frame_rate_hz: int
    frame_count: int
    width_px: int
    height_px: int
    sample_rate_hz: int
    cover: Cover
    transition_s: float = Field(description="the cover moves for so long at both ends of a covered segment")
    licence: str
    segments: list[Segment]
    sentences: list[Sentence]


def truth_path(clip: Path) -> Path:
    """Where the truth about a clip lies: ``clip.truth.json`` beside ``clip.mp4``."""
    return clip.with_suffix(".truth.json")
