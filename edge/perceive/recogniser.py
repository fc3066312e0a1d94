"""What turns speech into words, whatever engine does it and wherever it runs.

Vosk in a thread, for files: :mod:`edge.perceive.speech_to_text`; in a process of its own, for a live microphone:
:mod:`edge.perceive.speech_process`.
"""

from dataclasses import dataclass
from typing import Protocol

from edge.capture.sample import AudioBlock


@dataclass(frozen=True)
class Word:
    """A recognised word.

    Attributes:
        text: lower case; letters and apostrophes.
        end_ns: when it ended, on the clock of the sound's stamps; while it is partial, when it was first heard.
        confidence: 0..1.
        final: the recogniser will not change it any more.
    """

    text: str
    end_ns: int
    confidence: float
    final: bool


class Recogniser(Protocol):
    """Recognises words while sound is fed. Nothing here waits for the engine, but where it says so."""

    @property
    def trouble(self) -> str | None:
        """Why no words are to be expected now, e.g. ``recogniser behind``; None: all is well."""
        ...

    def feed(self, block: AudioBlock) -> None:
        """Queue a block; never waits."""
        ...

    def words(self, since_ns: int) -> list[Word]:
        """Words that ended at or after `since_ns`, in order; the last ones may still change."""
        ...

    def forget(self, before_ns: int) -> None:
        """Let go of final words that ended before."""
        ...

    def wait_until_heard(self, captured_ns: int, timeout_s: float) -> bool:
        """Wait for the engine to have heard everything stamped up to then. For files; a live step never waits."""
        ...

    def close(self) -> None:
        """Let the engine finish what is queued, take its last words, and end."""
        ...
