"""The process that recognises a live microphone's words: real Vosk, fed from one ring, telling through another.

Each message is the whole of what is known: the words of the last seconds. So none can be lost, and a process that
was started again needs to know nothing of the one before.
"""

import json
import logging
import select
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from edge.capture.ring import Ring, RingReader
from edge.capture.ring_samples import block_of
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock
from edge.errors import M3erError
from edge.models import VOSK_TINY_EN
from edge.perceive.catch_up import blocks_to_drop
from edge.perceive.speech_model import load_model
from edge.perceive.vosk_engine import VoskEngine

_REMEMBERED_NS = 15_000_000_000
_GAP_NS = 1_000_000_000
_BEAT_EVERY_MS = 200
_TRY_AGAIN_S = 10.0

_log = logging.getLogger(__name__)


def main(settings: dict[str, Any], sound: Ring, words: Ring) -> None:
    """Of the worker: ``settings`` is ``{"model": folder, "tuned": folder}``, the second as `load_model` takes it."""
    folder, engine = Path(settings["model"]), None
    tuned = Path(settings.get("tuned", folder))
    while engine is None:
        words.beat()
        words.say("loading")
        try:
            engine = VoskEngine(load_model(folder, folder == VOSK_TINY_EN, tuned))
        except M3erError as error:  # readings go on without words; the card may come back
            _log.warning("%s", error)
            words.say("cannot load its model")
            words.beat()
            time.sleep(_TRY_AGAIN_S)
    Listener(engine, sound, words).run()


class Listener:
    """Hears what is in the ring, keeps up with it, and says what it heard."""

    def __init__(self, engine: VoskEngine, sound: Ring, words: Ring) -> None:
        self._engine, self._sound, self._words = engine, sound, words
        self._reader = RingReader(sound)  # from now on: older sound is of another moment
        self._dropped_s = 0.0

    def run(self) -> None:
        """For ever."""
        arrivals = select.poll()
        arrivals.register(self._sound.event, select.POLLIN)
        self._tell()
        self._words.say(None)
        while True:
            self._words.beat()
            if arrivals.poll(_BEAT_EVERY_MS):
                self._sound.take_event()
                self.hear_new()

    def hear_new(self) -> None:
        """Recognise what has come, and what comes meanwhile; leave sound out where that is too much."""
        waiting: deque[AudioBlock] = deque()
        while True:
            waiting.extend(block_of(item) for item in self._reader.new())
            self._keep_up(waiting)
            if not waiting:
                return
            block = waiting.popleft()
            self._words.beat()
            length_ns = len(block.samples) * 1_000_000_000 // SAMPLE_RATE_HZ
            if 0 <= self._engine.heard_ns < block.captured_ns - length_ns - _GAP_NS:
                self._engine.finish()  # sound is missing: two sentences
            self._engine.hear(block)
            self._tell()

    def _keep_up(self, waiting: deque[AudioBlock]) -> None:
        """Drop the oldest where too much waits."""
        if not waiting:
            return
        mean_s = sum(len(block.samples) for block in waiting) / len(waiting) / SAMPLE_RATE_HZ
        count = blocks_to_drop([block.samples for block in waiting], mean_s)
        if count:
            seconds = sum(len(waiting.popleft().samples) for _ in range(count)) / SAMPLE_RATE_HZ
            self._dropped_s += seconds
            self._engine.finish()
            _log.warning(
                "too slow: %.1f s of sound left out, %.1f s in all; try a smaller model", seconds, self._dropped_s
            )

    def _tell(self) -> None:
        self._engine.forget(self._engine.heard_ns - _REMEMBERED_NS)
        known = [*self._engine.final, *self._engine.partial]
        message = {
            "heard_ns": self._engine.heard_ns,
            "dropped_s": round(self._dropped_s, 1),
            "words": [[word.text, word.end_ns, word.confidence, word.final] for word in known],
        }
        text = json.dumps(message).encode()
        self._words.write(max(0, self._engine.heard_ns), np.frombuffer(text, np.uint8), (len(text), 1, 1))
