"""Words to the text encoder's input: what was said in the last seconds, if it was said just now."""

from edge.capture.sample import AudioBlock
from edge.perceive.percept import Percept, absent
from edge.perceive.recogniser import Recogniser
from edge.perceive.tokens import Vocabulary

_FRESH_NS = 2_000_000_000
"""Text is live while its newest word is younger: a pause between sentences and the recogniser's delay fit in."""
_FRESH_IN_TROUBLE_NS = 1_000_000_000
"""Where no new words can come, the last ones are not waited out."""
_CONTENT_NS = 6_000_000_000
"""Older words do not belong to the moment any more."""
_LEAST_CONFIDENCE = 0.4


class TextPerception:
    """Feed every block of sound; ask for the percept at a step."""

    def __init__(self, recogniser: Recogniser | None, vocabulary: Vocabulary) -> None:
        self._recogniser = recogniser
        self.vocabulary = vocabulary
        """Of the text encoder in use."""
        self.transcript = ""
        """The words of the last percept."""

    def push(self, block: AudioBlock) -> None:
        """Hand a block to the recogniser; does not wait for it."""
        if self._recogniser is not None:
            self._recogniser.feed(block)

    def percept(self, now_ns: int) -> Percept:
        """Tokens of the words of the last seconds, int32 (1, 32)."""
        if self._recogniser is None:
            return absent("no recogniser")
        words = self._recogniser.words(now_ns - _CONTENT_NS)
        self._recogniser.forget(now_ns - _CONTENT_NS)
        self.transcript = " ".join(word.text for word in words)
        newest_ns = max((word.end_ns for word in words), default=None)
        trouble = self._recogniser.trouble
        if newest_ns is None or now_ns - newest_ns > (_FRESH_NS if trouble is None else _FRESH_IN_TROUBLE_NS):
            self.transcript = ""
            return absent(trouble or "no words", newest_ns)
        quality = sum(word.confidence for word in words) / len(words)
        if quality < _LEAST_CONFIDENCE:
            return absent("unclear words", newest_ns)
        return Percept((self.vocabulary.encode([word.text for word in words]),), newest_ns, quality, None)
