"""The real speech engine with the shipped model, fed as a microphone feeds it."""

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vosk
from numpy.typing import NDArray

import edge
from edge.capture.media_file import MediaFile
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock
from edge.errors import M3erError
from edge.models import VOSK_TINY_EN
from edge.perceive.recogniser import Word
from edge.perceive.speech_model import load_model
from edge.perceive.speech_to_text import SpeechToText
from export.sample_truth import Sentence, Truth, truth_path
from tests.made_media import cut

CLIP = Path(edge.__file__).parent / "samples" / "clip.mp4"
TRUTH = Truth.model_validate_json(truth_path(CLIP).read_text(encoding="utf-8"))
SENTENCE: Sentence = TRUTH.sentences[0]
BLOCK_SAMPLES = SAMPLE_RATE_HZ // 10
LONGEST_QUEUE = 300
PATIENCE_S = 30.0
LATE_NS = 1_000_000_000_000

Samples = NDArray[np.int16]


@pytest.fixture(scope="module")
def model() -> vosk.Model:
    return load_model(VOSK_TINY_EN, trusted=True)


@pytest.fixture
def recogniser(model: vosk.Model) -> Iterator[SpeechToText]:
    with closing(SpeechToText(model)) as opened:
        yield opened


@pytest.fixture(scope="module")
def clip_sound() -> Samples:
    with MediaFile(CLIP) as media:
        return np.concatenate([sample.samples for sample in media.samples() if isinstance(sample, AudioBlock)])


@pytest.fixture(scope="module")
def quiet(clip_sound: Samples) -> Samples:
    """2 s in which nobody speaks."""
    (silence,) = (segment for segment in TRUTH.segments if segment.speech == "silent")
    return part(clip_sound, silence.start_s + 0.5, silence.start_s + 2.5)


@pytest.fixture(scope="module")
def said(clip_sound: Samples) -> Samples:
    """The clip's first sentence, up to the middle of the pause behind it."""
    return part(clip_sound, 0, (SENTENCE.end_s + TRUTH.sentences[1].start_s) / 2)


def part(sound: Samples, start_s: float, end_s: float) -> Samples:
    return sound[round(start_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)]


def blocks(sound: Samples, start_ns: int = 0) -> list[AudioBlock]:
    """Blocks of 0.1 s, stamped as if the first sample had come at `start_ns`."""
    cuts = range(BLOCK_SAMPLES, len(sound) + BLOCK_SAMPLES, BLOCK_SAMPLES)
    return [
        AudioBlock(start_ns + min(end, len(sound)) * 1_000_000_000 // SAMPLE_RATE_HZ, sound[end - BLOCK_SAMPLES : end])
        for end in cuts
    ]


def hear(recogniser: SpeechToText, sound: Samples, start_ns: int = 0) -> int:
    """Feed everything and wait; returns the last block's stamp."""
    for block in blocks(sound, start_ns):
        recogniser.feed(block)
    assert recogniser.wait_until_heard(block.captured_ns, PATIENCE_S)
    return block.captured_ns


def texts(words: list[Word]) -> list[str]:
    return [word.text for word in words]


def assert_timed(words: list[Word], sentence: Sentence, start_ns: int) -> None:
    """The sentence's words, and each ends when it was spoken, to 0.2 s."""
    assert texts(words) == sentence.text.split()
    ends_s = [(word.end_ns - start_ns) / 1e9 for word in words]
    assert ends_s == pytest.approx([word.end_s for word in sentence.words], abs=0.2)


# --- words and their times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("start_ns", [0, LATE_NS])
def test_a_sentence_is_heard(recogniser: SpeechToText, said: Samples, quiet: Samples, start_ns: int) -> None:
    hear(recogniser, np.concatenate([said, quiet]), start_ns)
    words = recogniser.words(start_ns)
    assert_timed(words, SENTENCE, start_ns)
    assert all(word.final and 0.4 < word.confidence <= 1 for word in words)


def test_every_sentence_is_on_the_clock(recogniser: SpeechToText, clip_sound: Samples, quiet: Samples) -> None:
    """Also the second, for which the engine counts on from the first, and behind a pause without any sound."""
    second = TRUTH.sentences[1]
    gap_s = 5.0
    hear(recogniser, np.concatenate([part(clip_sound, 0, 2.4), quiet]), LATE_NS)
    again_ns = LATE_NS + round((4.4 + gap_s) * 1e9)
    hear(recogniser, np.concatenate([part(clip_sound, 2.4, second.end_s + 0.05), quiet]), again_ns)
    words = recogniser.words(0)
    assert_timed(words[:5], SENTENCE, LATE_NS)
    assert_timed(words[5:], second, again_ns - 2_400_000_000)


def test_a_gap_within_a_sentence_moves_only_what_comes_after_it(
    recogniser: SpeechToText, said: Samples, quiet: Samples
) -> None:
    """A microphone that stops right behind the last word: the words before it are as old as they are."""
    hear(recogniser, said)
    hear(recogniser, quiet, 10_000_000_000)
    assert_timed(recogniser.words(0), SENTENCE, 0)


def test_partial_words_come_first(recogniser: SpeechToText, said: Samples, quiet: Samples) -> None:
    partial_ns: dict[str, int] = {}
    final_ns: dict[str, int] = {}
    for block in blocks(np.concatenate([said, quiet]), LATE_NS):
        recogniser.feed(block)
        assert recogniser.wait_until_heard(block.captured_ns, PATIENCE_S)
        for word in recogniser.words(LATE_NS):
            (final_ns if word.final else partial_ns).setdefault(word.text, block.captured_ns)
            assert word.end_ns <= block.captured_ns
            assert word.final or word.confidence == 0.5
    spoken = {word.word: LATE_NS + round(word.end_s * 1e9) for word in SENTENCE.words}
    assert list(final_ns) == list(spoken)
    for text in list(spoken)[:4]:
        assert partial_ns[text] < final_ns[text]
        assert -0.2 < (partial_ns[text] - spoken[text]) / 1e9 < 1.0  # heard while the sentence goes on


def test_a_partial_word_keeps_its_time(recogniser: SpeechToText, said: Samples) -> None:
    seen: dict[str, set[int]] = {}
    for block in blocks(said):
        recogniser.feed(block)
        assert recogniser.wait_until_heard(block.captured_ns, PATIENCE_S)
        for word in recogniser.words(0):
            seen.setdefault(word.text, set()).add(word.end_ns)
    assert all(len(seen[text]) == 1 for text in ("i", "feel"))


def test_words_since_and_forget(recogniser: SpeechToText, said: Samples, quiet: Samples) -> None:
    hear(recogniser, np.concatenate([said, quiet]))
    words = recogniser.words(0)
    third_ns = words[2].end_ns
    assert recogniser.words(third_ns) == words[2:]
    assert recogniser.words(third_ns + 1) == words[3:]
    assert recogniser.words(0) == words  # asking takes nothing away
    recogniser.forget(third_ns)
    assert recogniser.words(0) == words[2:]


def test_what_is_no_word_is_dropped(tmp_path: Path, said: Samples, quiet: Samples) -> None:
    """With a copy of the model in which ``very`` is written as Vosk writes noises, and ``today`` with a capital."""
    model = spoilt(tmp_path)
    symbols = (model / "graph/words.txt").read_text(encoding="utf-8")
    symbols = symbols.replace("\nvery ", "\n[laughter] ").replace("\ntoday ", "\nToday ")
    (model / "graph/words.txt").write_text(symbols, encoding="utf-8")
    with closing(SpeechToText(load_model(model))) as recogniser:
        hear(recogniser, said)
        partial = recogniser.words(0)
        hear(recogniser, quiet, len(said) * 1_000_000_000 // SAMPLE_RATE_HZ)
        final = recogniser.words(0)
    assert "happy" in texts(partial) and "[laughter]" not in texts(partial) and not partial[0].final
    assert texts(final) == ["i", "feel", "happy", "today"] and final[0].final


# --- the thread --------------------------------------------------------------------------------------------------


class HeldSamples(Samples):
    """Sound at which the engine's thread stops until it is let go: an engine that has fallen behind."""

    reached: threading.Event
    let_go: threading.Event

    def tobytes(self, *_order: Any) -> bytes:
        self.reached.set()
        assert self.let_go.wait(PATIENCE_S)
        return super().tobytes()


@pytest.fixture
def held() -> Iterator[HeldSamples]:
    samples = np.zeros(BLOCK_SAMPLES, np.int16).view(HeldSamples)
    samples.reached, samples.let_go = threading.Event(), threading.Event()
    yield samples
    samples.let_go.set()


def ends(function: Callable[[], object]) -> bool:
    """It does not wait for ever: that it fails shall not hang the tests."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(5.0)
    return not thread.is_alive()


def test_feeding_never_waits(recogniser: SpeechToText, held: HeldSamples, said: Samples, quiet: Samples) -> None:
    recogniser.feed(AudioBlock(LATE_NS, held))
    assert held.reached.wait(PATIENCE_S)
    ahead = np.concatenate([quiet] * 15)
    stream = blocks(np.concatenate([ahead, said, quiet]), LATE_NS)
    assert ends(lambda: list(map(recogniser.feed, stream)))
    assert recogniser.dropped_blocks == len(stream) - LONGEST_QUEUE > 40
    assert not recogniser.wait_until_heard(stream[0].captured_ns, 0.01)
    # The oldest are gone, the newest are heard, and the clock is still right.
    held.let_go.set()
    assert recogniser.wait_until_heard(stream[-1].captured_ns, PATIENCE_S)
    assert_timed(recogniser.words(0), SENTENCE, LATE_NS + len(ahead) * 1_000_000_000 // SAMPLE_RATE_HZ)


def test_waiting_ends(recogniser: SpeechToText, quiet: Samples) -> None:
    began_s = time.monotonic()
    assert not recogniser.wait_until_heard(0, 0.1)
    assert 0.1 <= time.monotonic() - began_s < 10
    last_ns = hear(recogniser, quiet)
    assert recogniser.wait_until_heard(last_ns, 0)
    assert not recogniser.wait_until_heard(last_ns + 1, 0.05)


def test_closing_takes_the_last_words_and_ends_the_thread(model: vosk.Model, said: Samples) -> None:
    before = threading.active_count()
    recogniser = SpeechToText(model)
    assert threading.active_count() == before + 1
    for block in blocks(said):
        recogniser.feed(block)
    recogniser.close()
    assert threading.active_count() == before
    assert_timed(recogniser.words(0), SENTENCE, 0)
    assert all(word.final for word in recogniser.words(0))
    recogniser.close()


NO_SOUND: Any = None


def test_a_failure_in_the_thread_reaches_whoever_asks(recogniser: SpeechToText) -> None:
    recogniser.feed(AudioBlock(1, NO_SOUND))
    assert recogniser.wait_until_heard(1, PATIENCE_S)  # at once, instead of at the end of all patience
    with pytest.raises(TypeError):
        recogniser.words(0)


def test_closing_ends_though_the_thread_failed_and_the_queue_is_full(model: vosk.Model, quiet: Samples) -> None:
    recogniser = SpeechToText(model)
    recogniser.feed(AudioBlock(1, NO_SOUND))
    assert recogniser.wait_until_heard(1, PATIENCE_S)
    assert ends(lambda: list(map(recogniser.feed, blocks(np.concatenate([quiet] * 16)))))
    assert ends(recogniser.close)


# --- the model ---------------------------------------------------------------------------------------------------


def spoilt(tmp_path: Path) -> Path:
    """A copy of the model that may be changed."""
    folder = Path(shutil.copytree(VOSK_TINY_EN, tmp_path / "model"))
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def test_a_missing_or_empty_model_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", tmp_path):
        with pytest.raises(M3erError, match=re.escape(str(folder))):
            load_model(folder)


@pytest.mark.parametrize("name", ["am/final.mdl", "graph/words.txt", "graph/HCLr.fst", "graph/Gr.fst"])
def test_a_damaged_model_is_named(tmp_path: Path, name: str) -> None:
    folder = spoilt(tmp_path)
    cut(folder / name, folder / name, 0.5)
    with pytest.raises(M3erError, match=re.escape(str(folder))), closing(SpeechToText(load_model(folder))):
        pass
