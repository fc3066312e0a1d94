"""``trial.json``: what is known of a release that has yet to prove itself, or that has failed to."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.update.durable import replace_file

TRIAL_S = 120.0
"""Of good steps, after which a release has proved itself."""
MOST_STARTS = 3
"""A release that was started so often and never lasted so long is given up."""

SlotName = Literal["a", "b"]


class Trial(BaseModel):
    """The newest release's standing. No file: it has proved itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    release: str = Field(description="its id")
    slot: SlotName
    previous: SlotName | None = Field(description="what is fallen back to; null: the bundle that is shipped")
    starts: int = Field(default=0, ge=0, description="how often it was taken into use")
    failed: str | None = Field(default=None, description="why it was given up; null: it is on trial")


def read_trial(path: Path) -> Trial | None:
    """The record; None where there is none, or none that can be read."""
    try:
        return Trial.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def write_trial(path: Path, trial: Trial) -> None:
    """Put the record on the disk. Raises OSError."""
    replace_file(path, trial.model_dump_json().encode() + b"\n")
