"""Is there a voice in the sound: on noises made here, on synthetic voices, and on people where their data lies."""

import csv
import gzip
import shutil
import subprocess
import wave
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.capture.sample import SAMPLE_RATE_HZ
from edge.perceive.log_mel import LogMel
from edge.perceive.sound_evidence import SoundEvidence

Sound = NDArray[np.float64]
Noise = Callable[[np.random.Generator, float], Sound]

BLOCK_SAMPLES = SAMPLE_RATE_HZ // 10
QUIET_RMS = 30.0  # -61 dBFS
VOICE_RMS = 2_000.0  # -24 dBFS
SPEECH_DATA = Path(__file__).parents[2] / "shared/data/speech"


def shaped(rng: np.random.Generator, seconds: float, gain: Callable[[Sound], Sound]) -> Sound:
    """Noise of rms 1 whose spectrum follows a gain over frequency in Hz."""
    samples = round(seconds * SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(rng.normal(0.0, 1.0, samples))
    sound = np.fft.irfft(spectrum * gain(np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ), 20.0)), samples)
    unit: Sound = sound / sound.std()
    return unit


def white(rng: np.random.Generator, seconds: float) -> Sound:
    return shaped(rng, seconds, np.ones_like)


def pink(rng: np.random.Generator, seconds: float) -> Sound:
    return shaped(rng, seconds, lambda hz: hz**-0.5)


def fan(rng: np.random.Generator, seconds: float, cut_hz: float = 500.0, blade_hz: float = 120.0) -> Sound:
    """Air that rushes below `cut_hz`; a third of the power is the hum of the blades with its overtones."""
    air = shaped(rng, seconds, lambda hz: (1 + (hz / cut_hz) ** 4) ** -0.5)
    times_s = np.arange(len(air)) / SAMPLE_RATE_HZ
    overtones = np.arange(1, 6)[:, np.newaxis]
    phases = 2 * np.pi * blade_hz * overtones * times_s + rng.uniform(0, 2 * np.pi, (5, 1))
    hum = (np.sin(phases) / overtones).sum(axis=0)
    sound: Sound = np.sqrt(0.67) * air + np.sqrt(0.33) * hum / hum.std()
    return sound


def dull_fan(rng: np.random.Generator, seconds: float) -> Sound:
    return fan(rng, seconds, cut_hz=200.0, blade_hz=90.0)


NOISES = [white, pink, fan, dull_fan]


@cache
def spoken() -> Sound:
    """Some twenty seconds of three espeak-ng voices at three speeds, rms 1."""
    text = "The airplane is almost full. I would like a new alarm clock, and we'll stop in a couple of minutes."
    voices = []
    with TemporaryDirectory() as folder:
        for name, words_per_minute in (("en-us", 130), ("en-gb+f3", 160), ("en+m7", 190)):
            path = Path(folder) / "voice.wav"
            command = ["espeak-ng", "-v", name, "-s", str(words_per_minute), "-w", str(path), text]
            subprocess.run(command, check=True, timeout=60)
            with wave.open(str(path)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
                step = file.getframerate() / SAMPLE_RATE_HZ
            voices.append(np.interp(np.arange(0, len(samples) - 1, step), np.arange(len(samples)), samples))
    voice = np.concatenate(voices)
    unit: Sound = voice / voice.std()
    return unit


@cache
def intoned() -> Sound:
    """Six seconds of harmonics under two formants, four syllables a second; rms 1."""
    times_s = np.arange(6 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * np.cumsum(130 + 25 * np.sin(np.pi * times_s)) / SAMPLE_RATE_HZ
    hz = 130.0 * np.arange(1, 25)
    formants = np.exp(-(((hz - 600) / 300) ** 2)) + 0.4 * np.exp(-(((hz - 1700) / 500) ** 2))
    voice = formants @ np.sin(np.outer(np.arange(1, 25), phase))
    voice *= np.clip(np.sin(2 * np.pi * 4 * times_s) + 0.6, 0.005, None)
    unit: Sound = voice / voice.std()
    return unit


@pytest.fixture(params=["espeak-ng", "intoned"])
def voice(request: pytest.FixtureRequest) -> Sound:
    if request.param == "intoned":
        return intoned()
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    return spoken()


def int16(sound: Sound) -> NDArray[np.int16]:
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)


def verdicts(samples: NDArray[np.int16], block_samples: int = BLOCK_SAMPLES) -> list[str | None]:
    """The verdict after each 0.1 s, fed in blocks of a size that divides it."""
    stream, evidence, found = LogMel(), SoundEvidence(), []
    for start in range(0, len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES, block_samples):
        block = samples[start : start + block_samples]
        evidence.push(block, stream.push(block))
        reason, quality = evidence.verdict()
        assert 0.0 <= quality <= 1.0
        if (start + block_samples) % BLOCK_SAMPLES == 0:
            found.append(reason)
    return found


def after_quiet(rng: np.random.Generator, sound: Sound) -> NDArray[np.int16]:
    """Three seconds of a quiet room, then this."""
    return int16(np.concatenate([QUIET_RMS * pink(rng, 3.0), sound]))


def speaking(voice: Sound) -> NDArray[np.bool_]:
    """Per 0.1 s: does the voice sound? The first 0.3 s are left out."""
    blocks = np.abs(voice[: len(voice) // BLOCK_SAMPLES * BLOCK_SAMPLES]).reshape(-1, BLOCK_SAMPLES)
    loud: NDArray[np.bool_] = blocks.max(axis=1) > 0.25
    loud[:3] = False
    return loud


def heard_share(found: list[str | None], where: NDArray[np.bool_]) -> float:
    return float(np.mean([reason is None for reason, here in zip(found, where, strict=True) if here]))


def test_exact_zeros_are_no_signal_within_half_a_second() -> None:
    found = verdicts(np.concatenate([int16(VOICE_RMS * intoned()), np.zeros(SAMPLE_RATE_HZ, np.int16)]))
    assert found[-6:] == ["no signal"] * 6
    assert "no signal" not in found[:-6]


def test_one_value_for_ever_is_no_signal_as_well(voice: Sound) -> None:
    found = verdicts(np.concatenate([int16(VOICE_RMS * voice), np.full(SAMPLE_RATE_HZ, -900, np.int16)]))
    assert found[-5:] == ["no signal"] * 5


@pytest.mark.parametrize("offset", [-9_000, 5_000])
def test_a_voice_far_from_the_middle_is_a_broken_input_within_two_seconds(voice: Sound, offset: int) -> None:
    good = int16(VOICE_RMS * voice)
    found = verdicts(np.concatenate([good, (good // 4 + offset).astype(np.int16)]))
    begin = len(good) // BLOCK_SAMPLES
    assert "dc offset" not in found[: begin - 1]
    assert set(found[begin + 10 :]) == {"dc offset"}


def test_a_sound_card_s_own_small_offset_does_no_harm(voice: Sound) -> None:
    sound = int16(VOICE_RMS * voice)
    assert "dc offset" not in verdicts((sound.astype(np.int32) + 600).clip(-32768, 32767).astype(np.int16))


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("rms", [3.0, 30.0, 150.0])
def test_a_quiet_room_is_silence(noise: Noise, rms: float) -> None:
    found = verdicts(int16(rms * noise(np.random.default_rng(1), 10.0)))
    assert set(found[3:]) == {"silence"}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("rms", [1_000.0, 4_000.0])
@pytest.mark.parametrize("block_samples", [BLOCK_SAMPLES // 5, BLOCK_SAMPLES])
def test_loud_steady_noise_after_quiet_is_noise_within_a_second_and_stays_it(
    noise: Noise, rms: float, block_samples: int
) -> None:
    rng = np.random.default_rng(2)
    found = verdicts(after_quiet(rng, rms * noise(rng, 10.0)), block_samples)
    assert set(found[3:30]) == {"silence"}
    assert set(found[39:]) == {"noise"}


def test_clean_speech_is_heard(voice: Sound) -> None:
    found = verdicts(after_quiet(np.random.default_rng(3), VOICE_RMS * voice))
    assert heard_share(found[30:], speaking(voice)) >= 0.98


@pytest.mark.parametrize("noise", NOISES)
def test_speech_ten_decibel_above_noise_is_heard(voice: Sound, noise: Noise) -> None:
    rng = np.random.default_rng(4)
    mixed = voice + 10 ** (-10 / 20) * noise(rng, len(voice) / SAMPLE_RATE_HZ)
    assert heard_share(verdicts(after_quiet(rng, VOICE_RMS * mixed))[30:], speaking(voice)) >= 0.9


@pytest.mark.parametrize("noise", [white, pink, fan])  # a dull fan leaves the consonants above it audible
def test_speech_twenty_decibel_below_noise_is_drowned(voice: Sound, noise: Noise) -> None:
    rng = np.random.default_rng(5)
    mixed = 0.1 * voice + noise(rng, len(voice) / SAMPLE_RATE_HZ)
    found = verdicts(after_quiet(rng, VOICE_RMS * mixed))[40:]
    assert set(found) == {"noise"}


def test_speech_driven_into_full_scale_is_clipped(voice: Sound) -> None:
    found = verdicts(int16(12 * VOICE_RMS * voice))
    clipped = [reason == "clipped" for reason, here in zip(found, speaking(voice), strict=True) if here]
    assert np.mean(clipped) >= 0.9


def test_a_click_of_full_scale_does_not_make_speech_clipped(voice: Sound) -> None:
    samples = int16(VOICE_RMS * voice)
    samples[5_000::BLOCK_SAMPLES] = 32767
    assert "clipped" not in verdicts(samples)


def test_the_verdict_does_not_depend_on_how_the_sound_is_cut(voice: Sound) -> None:
    rng = np.random.default_rng(6)
    samples = after_quiet(rng, np.concatenate([VOICE_RMS * voice[: 4 * SAMPLE_RATE_HZ], 3_000.0 * fan(rng, 3.0)]))
    assert verdicts(samples, BLOCK_SAMPLES // 8) == verdicts(samples)


def test_a_better_signal_has_a_better_quality() -> None:
    rng = np.random.default_rng(7)
    qualities = []
    for noise_db in (-30.0, -20.0, -10.0):
        stream, evidence = LogMel(), SoundEvidence()
        samples = int16(VOICE_RMS * (intoned() + 10 ** (noise_db / 20) * pink(rng, 6.0)))
        evidence.push(samples, stream.push(samples))
        qualities.append(evidence.verdict()[1])
    assert qualities == sorted(qualities, reverse=True) and qualities[0] > qualities[2] + 0.2


def clips(dataset: str, voice_apart: bool) -> list[dict[str, str]]:
    """Sixty rows of the corpus's table, spread evenly over it.

    Args:
        voice_apart: only those in which the table's `act_start` told the room from the voice. In 85 % of CREMA-D
            it is 0.0, for its rooms are noisy, although nobody speaks yet for 0.5 to 1 s.
    """
    with gzip.open(SPEECH_DATA / "speech.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == dataset]
    rows = [row for row in rows if not {"silent", "dup_conflict"} & set(row["flags"].split(";"))]
    if voice_apart:
        rows = [row for row in rows if float(row["act_start"]) > 0]
    return [rows[k] for k in np.linspace(0, len(rows) - 1, 60).astype(int)]


def people_heard(rows: list[dict[str, str]]) -> Counter[str | None]:
    """Verdicts between 0.3 s after `act_start` and `act_end`."""
    recordings = pytest.importorskip("export.corpora.recordings")
    found: Counter[str | None] = Counter()
    for row in rows:
        begin_s, end_s = float(row["act_start"]) + 0.3, float(row["act_end"])
        reasons = verdicts(recordings.decode_sound(SPEECH_DATA / row["path"]))
        found.update(reason for k, reason in enumerate(reasons) if begin_s <= (k + 1) * 0.1 <= end_s)
    return found


needs_people = pytest.mark.skipif(not SPEECH_DATA.is_dir(), reason=f"{SPEECH_DATA} is not on this machine")


@needs_people
@pytest.mark.parametrize("dataset", ["crema", "ravdess"])
def test_people_are_heard_while_they_speak(dataset: str) -> None:
    found = people_heard(clips(dataset, voice_apart=True))
    assert found[None] / found.total() >= 0.95, found


@needs_people
def test_people_are_heard_in_nine_tenths_of_what_the_table_calls_speech() -> None:
    found = people_heard(clips("crema", voice_apart=False)) + people_heard(clips("ravdess", voice_apart=False))
    assert found[None] / found.total() >= 0.9, found
