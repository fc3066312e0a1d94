"""The real Vosk engine, fed block by block: which words it has heard so far, and when.

Whoever feeds it waits for it: a thread does so for a file, a process of its own for a live microphone.
"""

import json

from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock
from edge.perceive.recogniser import Word
from edge.perceive.tokens import words_of
from edge.perceive.vosk_library import vosk

_UNSURE = 0.5
"""Confidence of a word while the recogniser may still change its mind: partial results carry none."""


class VoskEngine:
    """One recogniser of a model.

    Attributes:
        final: words that will not change any more, in order.
        partial: words of the sentence that is being spoken.
        heard_ns: stamp of the newest block heard; -1 before the first.
    """

    def __init__(self, model: vosk.Model) -> None:
        self._recognizer = vosk.KaldiRecognizer(model, SAMPLE_RATE_HZ)
        self._recognizer.SetWords(True)
        # Not SetPartialWords: partial results then come 1 to 2 s later, as their lattice must be settled.
        self._clock = _FedClock()
        self._fed_ns = 0
        self.final: list[Word] = []
        self.partial: list[Word] = []
        self.heard_ns = -1

    def hear(self, block: AudioBlock) -> None:
        """Recognise one block."""
        length_ns = len(block.samples) * 1_000_000_000 // SAMPLE_RATE_HZ
        self._clock.note(self._fed_ns, block.captured_ns - self._fed_ns - length_ns)
        self._fed_ns += length_ns
        if self._recognizer.AcceptWaveform(block.samples.tobytes()):
            self._settle(self._recognizer.Result())
        else:
            text = json.loads(self._recognizer.PartialResult()).get("partial", "")
            self.partial = self._guessed(text, block.captured_ns)
        self.heard_ns = block.captured_ns

    def finish(self) -> None:
        """Settle the sentence that is being spoken: what comes next does not belong to it."""
        self._settle(self._recognizer.FinalResult())

    def forget(self, before_ns: int) -> None:
        """Let go of final words that ended before."""
        self.final = [word for word in self.final if word.end_ns >= before_ns]

    def _settle(self, result: str) -> None:
        self.final = self.final + [
            Word(text, self._clock.captured_ns(round(float(str(entry["end"])) * 1e9)), float(str(entry["conf"])), True)
            for entry in json.loads(result).get("result", [])
            for text in _plain(str(entry["word"]))
        ]
        self.partial = []

    def _guessed(self, text: str, now_ns: int) -> list[Word]:
        heard = [word for token in text.split() for word in _plain(token)]
        same = 0
        while same < min(len(heard), len(self.partial)) and self.partial[same].text == heard[same]:
            same += 1
        return [*self.partial[:same], *(Word(word, now_ns, _UNSURE, False) for word in heard[same:])]


class _FedClock:
    """The recogniser counts time in samples fed; words are wanted on the clock of the sound's stamps.

    The two drift apart where sound is missing: the difference is noted where it changes.
    """

    _SAME_NS = 20_000_000
    _MOST_NOTES = 100

    def __init__(self) -> None:
        self._notes: list[tuple[int, int]] = []

    def note(self, fed_ns: int, ahead_ns: int) -> None:
        """From `fed_ns` on, stamps are `ahead_ns` ahead of the samples fed."""
        if not self._notes or abs(self._notes[-1][1] - ahead_ns) > self._SAME_NS:
            self._notes = [*self._notes[-self._MOST_NOTES :], (fed_ns, ahead_ns)]

    def captured_ns(self, fed_ns: int) -> int:
        """When the sample fed at `fed_ns` was captured."""
        ahead_ns = next((ahead for since, ahead in reversed(self._notes) if since < fed_ns), self._notes[0][1])
        return fed_ns + ahead_ns


def _plain(token: str) -> list[str]:
    """``[unk]`` and the like are no words."""
    return [] if token.startswith(("[", "<")) else words_of(token)
