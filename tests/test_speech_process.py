"""Live words: real Vosk in a process of its own, fed through shared memory; slow, killed, or never there."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.capture.media_file import MediaFile
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock
from edge.models import VOSK_TINY_EN
from edge.perceive.speech_model import load_model
from edge.perceive.speech_process import SpeechProcess
from edge.perceive.speech_worker import Listener
from edge.perceive.text_perception import TextPerception
from edge.perceive.tokens import Vocabulary
from edge.perceive.vosk_engine import VoskEngine
from edge.supervisor import Patience, Supervisor, Worker
from edge.worker import start_worker
from tests.soak.scene import CLIP

BLOCK = SAMPLE_RATE_HZ // 10
BLOCK_NS = 100_000_000


@pytest.fixture(scope="module")
def voice() -> NDArray[np.int16]:
    """Eight seconds of clear speech."""
    with MediaFile(CLIP) as clip:
        blocks = [s.samples for s in clip.samples() if isinstance(s, AudioBlock) and s.captured_ns <= 8e9]
    return np.concatenate(blocks)


@contextmanager
def process() -> Iterator[tuple[SpeechProcess, Worker]]:
    words = SpeechProcess()
    rings = (words.sound, words.words_ring)
    start = lambda: start_worker("words", "edge.perceive.speech_worker", {"model": str(VOSK_TINY_EN)}, rings)  # noqa: E731
    worker = Worker("words", start, words.words_ring, Patience(open_s=60, hang_s=3, stall_s=None))
    supervisor = Supervisor([worker])
    supervisor.start()
    try:
        until_s = time.monotonic() + 20
        while words.trouble and time.monotonic() < until_s:
            time.sleep(0.02)
        yield words, worker
    finally:
        supervisor.stop()


def feed(words: SpeechProcess, sound: NDArray[np.int16], begin_ns: int, pace_s: float = 0.0) -> int:
    """Give it all, in blocks of a tenth of a second; the stamp of the last."""
    for first in range(0, len(sound) - BLOCK + 1, BLOCK):
        begin_ns += BLOCK_NS
        words.feed(AudioBlock(begin_ns, sound[first : first + BLOCK]))
        time.sleep(pace_s)
    return begin_ns


def test_words_come_out_with_their_times_and_confidences(voice: NDArray[np.int16]) -> None:
    with process() as (words, _):
        assert words.trouble is None
        began_ns = time.monotonic_ns()
        last_ns = feed(
            words, np.concatenate([voice[: 6 * SAMPLE_RATE_HZ], np.zeros(BLOCK * 12, np.int16)]), began_ns, 0.02
        )
        assert words.wait_until_heard(last_ns, 20)
        heard = words.words(began_ns)
        assert len(heard) >= 8 and any(word.final for word in heard)
        assert all(began_ns < word.end_ns <= last_ns and 0 <= word.confidence <= 1 for word in heard)
        assert [word.end_ns for word in heard] == sorted(word.end_ns for word in heard)
        assert words.words(last_ns + 1) == []


def test_a_killed_recogniser_is_missed_for_a_moment_and_comes_back(voice: NDArray[np.int16]) -> None:
    with process() as (words, worker):
        began_ns = time.monotonic_ns()
        last_ns = feed(words, voice[: 3 * SAMPLE_RATE_HZ], began_ns, 0.01)
        assert words.wait_until_heard(last_ns, 10)
        assert worker.process is not None
        worker.process.kill()
        until_s, said = time.monotonic() + 10, set()
        while worker.starts < 2 or words.trouble is not None:
            said.add(words.trouble)
            assert time.monotonic() < until_s
            time.sleep(0.02)
        assert said & {"recogniser restarting", "recogniser loading"}
        began_ns = time.monotonic_ns()
        last_ns = feed(words, voice[: 3 * SAMPLE_RATE_HZ], began_ns, 0.01)
        assert words.wait_until_heard(last_ns, 10)
        assert len(words.words(began_ns)) >= 3


class _Slow(VoskEngine):
    """The real engine on a board that takes three seconds for one."""

    def hear(self, block: AudioBlock) -> None:
        time.sleep(0.3)
        super().hear(block)


def test_an_engine_that_is_too_slow_drops_sound_says_so_and_keeps_up(voice: NDArray[np.int16]) -> None:
    words = SpeechProcess()
    listener = Listener(_Slow(load_model(VOSK_TINY_EN, trusted=True)), words.sound, words.words_ring)
    threading.Thread(target=listener.run, daemon=True).start()
    text = TextPerception(words, Vocabulary.of_words(("happy", "today")))
    behind, longest_s, now_ns = False, 0.0, time.monotonic_ns()
    for first in range(0, len(voice) - BLOCK + 1, BLOCK):
        now_ns += BLOCK_NS
        before_s = time.monotonic()
        text.push(AudioBlock(now_ns, voice[first : first + BLOCK]))
        behind |= words.trouble == "recogniser behind"
        text.percept(now_ns)
        longest_s = max(longest_s, time.monotonic() - before_s)
        time.sleep(0.1)
    assert behind and words.dropped_s > 1.0
    assert longest_s < 0.05  # nobody waits for it
    assert words.wait_until_heard(now_ns, 5.0)  # it has caught up, instead of being sixteen seconds behind


def test_without_a_worker_nothing_waits_and_the_reason_is_given(voice: NDArray[np.int16]) -> None:
    words = SpeechProcess()
    text = TextPerception(words, Vocabulary.of_words(("happy", "today")))
    for number in range(500):  # far more than the ring holds
        text.push(AudioBlock(number * BLOCK_NS, voice[:BLOCK]))
    assert text.percept(500 * BLOCK_NS).reason == "recogniser starting"
