"""Live speech to words, seen from the run: sound goes into one ring, words come out of another, nothing waits."""

import json
import time

from edge.capture.ring import Ring
from edge.capture.ring_samples import write_sample
from edge.capture.sample import AudioBlock
from edge.perceive.recogniser import Word

SOUND_SLOT_BYTES, SOUND_SLOTS = 8192, 200
"""20 s of blocks of a tenth of a second."""
WORDS_SLOT_BYTES, WORDS_SLOTS = 32_768, 4
_BEHIND_NS = 1_000_000_000
_POLL_S = 0.01


class SpeechProcess:
    """A recogniser whose engine runs in :mod:`edge.perceive.speech_worker`.

    Attributes:
        sound, words_ring: the rings that the worker is to be given.
        dropped_s: sound that was not recognised because the engine was too slow.
    """

    def __init__(self) -> None:
        self.sound = Ring(SOUND_SLOT_BYTES, SOUND_SLOTS)
        self.words_ring = Ring(WORDS_SLOT_BYTES, WORDS_SLOTS)
        self.dropped_s = 0.0
        self._read = 0
        self._words: list[Word] = []
        self._heard_ns = -1
        self._fed_ns: int | None = None

    @property
    def trouble(self) -> str | None:
        """Why no words are to be expected now, or None."""
        trouble = self.words_ring.trouble
        if trouble is not None:
            return f"recogniser {trouble}"
        self._take()
        if self._fed_ns is not None and 0 <= self._heard_ns < self._fed_ns - _BEHIND_NS:
            return "recogniser behind"
        return None

    def feed(self, block: AudioBlock) -> None:
        """Put a block where the worker finds it; never waits."""
        self._fed_ns = block.captured_ns
        write_sample(self.sound, block)

    def words(self, since_ns: int) -> list[Word]:
        """Words that ended at or after `since_ns`, in order; the last ones may still change."""
        self._take()
        return [word for word in self._words if word.end_ns >= since_ns]

    def forget(self, before_ns: int) -> None:
        """The worker forgets by itself."""

    def wait_until_heard(self, captured_ns: int, timeout_s: float) -> bool:
        """Wait for the engine to have heard everything stamped up to then. For tests; a live step never waits."""
        until_s = time.monotonic() + timeout_s
        while self._heard_ns < captured_ns and time.monotonic() < until_s:
            time.sleep(_POLL_S)
            self._take()
        return self._heard_ns >= captured_ns

    def close(self) -> None:
        """The supervisor ends the worker."""

    def _take(self) -> None:
        """The worker's newest message, if there is a new one."""
        published = self.words_ring.published
        if published == self._read:
            return
        item = self.words_ring.read(published - 1)
        if item is None:
            return  # written over while it was read: the next one is there already
        self._read = published
        message = json.loads(item.data.tobytes())
        self._heard_ns, self.dropped_s = int(message["heard_ns"]), float(message["dropped_s"])
        self._words = [Word(text, end_ns, confidence, final) for text, end_ns, confidence, final in message["words"]]
