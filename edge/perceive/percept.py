"""What perception hands to an encoder at a step: its input, or why there is none."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Percept:
    """One modality at one step.

    Attributes:
        inputs: the encoder's inputs for this step, one array a run; empty where the modality is absent.
        captured_ns: when the newest sample behind it arrived; None if nothing ever did.
        quality: 0..1, what the sensor itself thinks of it (detector score, level, recogniser confidence).
        reason: why it is absent, e.g. ``no face``; None where it is present.
    """

    inputs: tuple[NDArray[Any], ...]
    captured_ns: int | None
    quality: float
    reason: str | None


def absent(reason: str, captured_ns: int | None = None) -> Percept:
    """No fresh input: data, not an error."""
    return Percept((), captured_ns, 0.0, reason)
