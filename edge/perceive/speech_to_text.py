"""Speech to words in a thread, for files. A live microphone's words come from :mod:`edge.perceive.speech_process`.

A step must never wait for the engine: blocks are queued, words appear when they are ready. Vosk's calls release
Python's lock, so a step runs beside them.
"""

import queue
import threading

from edge.capture.sample import AudioBlock
from edge.perceive.recogniser import Word
from edge.perceive.vosk_engine import VoskEngine
from edge.perceive.vosk_library import vosk

_LONGEST_QUEUE = 300
"""Blocks of 0.1 s that may wait; beyond it the oldest is dropped and counted."""


class SpeechToText:
    """Recognises words while sound is fed. One engine, one thread."""

    trouble: str | None = None

    def __init__(self, model: vosk.Model) -> None:
        self._engine = VoskEngine(model)
        self._blocks: queue.Queue[AudioBlock | None] = queue.Queue(_LONGEST_QUEUE)
        self._changed = threading.Condition()
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
            while (block := self._blocks.get()) is not None:
                self._engine.hear(block)
                self._take()
            self._engine.finish()
            self._take()
        except Exception as error:  # noqa: BLE001 - handed to the runtime, which alone decides what it means
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _take(self) -> None:
        """What the engine has found since the last time."""
        final, self._engine.final = self._engine.final, []
        with self._changed:
            self._final += final
            self._partial = self._engine.partial
            self._heard_ns = self._engine.heard_ns
            self._changed.notify_all()
