"""Speech to words: the real Vosk engine, offline, in its own thread.

The engine must never be waited for by a live step: blocks are queued, words appear when they are ready. Vosk's
calls release Python's lock, so a step runs beside them.
"""

import json
import queue
import threading

import vosk

from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock
from edge.perceive.recogniser import Word
from edge.perceive.tokens import words_of

_LONGEST_QUEUE = 300
"""Blocks of 0.1 s that may wait; beyond it the oldest is dropped and counted."""

_UNSURE = 0.5
"""Confidence of a word while the recogniser may still change its mind: partial results carry none."""


class SpeechToText:
    """Recognises words while sound is fed. One engine, one thread."""

    def __init__(self, model: vosk.Model) -> None:
        self._recognizer = vosk.KaldiRecognizer(model, SAMPLE_RATE_HZ)
        self._recognizer.SetWords(True)
        # Not SetPartialWords: partial results then come 1 to 2 s later, as their lattice must be settled.
        self._blocks: queue.Queue[AudioBlock | None] = queue.Queue(_LONGEST_QUEUE)
        self._changed = threading.Condition()
        self._clock = _FedClock()
        self._final: list[Word] = []
        self._partial: list[Word] = []
        self._heard_ns = -1
        self._failure: Exception | None = None
        self.dropped_blocks = 0
        self._thread = threading.Thread(target=self._run, name="speech-to-text", daemon=True)
        self._thread.start()

    def feed(self, block: AudioBlock) -> None:
        """Queue a block; never waits. Where the engine has fallen 30 s behind, the oldest block is dropped."""
        while True:
            try:
                self._blocks.put_nowait(block)
                return
            except queue.Full:
                try:
                    self._blocks.get_nowait()
                    self.dropped_blocks += 1
                except queue.Empty:
                    continue

    def words(self, since_ns: int) -> list[Word]:
        """Words that ended at or after `since_ns`, in order; the last ones may still change."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            words = [*self._final, *self._partial]
        return [word for word in words if word.end_ns >= since_ns]

    def forget(self, before_ns: int) -> None:
        """Let go of final words that ended before."""
        with self._changed:
            self._final = [word for word in self._final if word.end_ns >= before_ns]

    def wait_until_heard(self, captured_ns: int, timeout_s: float) -> bool:
        """Wait for the engine to have heard everything stamped up to then. For files; a live step never waits."""
        with self._changed:
            return self._changed.wait_for(lambda: self._heard_ns >= captured_ns or self._failure is not None, timeout_s)

    def close(self) -> None:
        """Let the engine finish what is queued, take its last words, and end the thread."""
        while self._thread.is_alive():
            try:
                self._blocks.put(None, timeout=0.1)
                break
            except queue.Full:
                continue  # it is being worked off, or its thread has failed and ends
        self._thread.join(timeout=10.0)

    def _run(self) -> None:
        try:
            self._recognise()
        except Exception as error:  # noqa: BLE001 - handed to the runtime, which alone decides what it means
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _recognise(self) -> None:
        fed_ns = 0
        while (block := self._blocks.get()) is not None:
            length_ns = len(block.samples) * 1_000_000_000 // SAMPLE_RATE_HZ
            self._clock.note(fed_ns, block.captured_ns - fed_ns - length_ns)
            fed_ns += length_ns
            if self._recognizer.AcceptWaveform(block.samples.tobytes()):
                self._take_final(json.loads(self._recognizer.Result()), block.captured_ns)
            else:
                text = json.loads(self._recognizer.PartialResult()).get("partial", "")
                self._take_partial(text, block.captured_ns)
        self._take_final(json.loads(self._recognizer.FinalResult()), self._heard_ns)

    def _take_final(self, result: dict[str, list[dict[str, object]]], now_ns: int) -> None:
        words = [
            Word(text, self._clock.captured_ns(round(float(str(entry["end"])) * 1e9)), float(str(entry["conf"])), True)
            for entry in result.get("result", [])
            for text in _plain(str(entry["word"]))
        ]
        with self._changed:
            self._final += words
            self._partial = []
            self._heard_ns = now_ns
            self._changed.notify_all()

    def _take_partial(self, text: str, now_ns: int) -> None:
        heard = [word for token in text.split() for word in _plain(token)]
        with self._changed:
            same = 0
            while same < min(len(heard), len(self._partial)) and self._partial[same].text == heard[same]:
                same += 1
            new = [Word(word, now_ns, _UNSURE, False) for word in heard[same:]]
            self._partial = [*self._partial[:same], *new]
            self._heard_ns = now_ns
            self._changed.notify_all()


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
