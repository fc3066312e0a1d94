"""Log-mel frames: the same however the sound is cut, at any level, for as long as it goes on."""

import os

import kaldi_native_fbank as knf
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.capture.sample import SAMPLE_RATE_HZ
from edge.perceive.log_mel import (
    FRAME_HOP_S,
    FRAME_S,
    HIGH_HZ,
    LOW_HZ,
    MEL_BINS,
    RANGE_NATS,
    WINDOW_FRAMES,
    LogMel,
    frame_level_db,
    log_mel,
    speech_input,
)

HOP_SAMPLES = round(FRAME_HOP_S * SAMPLE_RATE_HZ)
FRAME_SAMPLES = round(FRAME_S * SAMPLE_RATE_HZ)


def tone(hz: float, amplitude: float, seconds: float) -> NDArray[np.int16]:
    times_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.round(amplitude * np.sin(2 * np.pi * hz * times_s)).astype(np.int16)


def babble(rng: np.random.Generator, samples: int, rms: float) -> NDArray[np.float64]:
    """Noise that rises and falls four times a second by 20 dB, falling 6 dB per octave as voices do."""
    spectrum = np.fft.rfft(rng.normal(0.0, 1.0, samples))
    spectrum /= np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ), 100.0)
    sound = np.fft.irfft(spectrum, samples)
    sound *= 10 ** (-0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(samples) / SAMPLE_RATE_HZ))
    scaled: NDArray[np.float64] = sound * (rms / sound.std())
    return scaled


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), blocks=st.lists(st.integers(0, 4_000), max_size=15))
def test_streaming_in_any_blocks_gives_the_frames_of_one_pass(seed: int, blocks: list[int]) -> None:
    samples = np.random.default_rng(seed).integers(-32768, 32768, sum(blocks)).astype(np.int16)
    stream = LogMel()
    parts = [stream.push(part) for part in np.split(samples, np.cumsum(blocks))[: len(blocks)]]
    streamed = np.concatenate([np.empty((0, MEL_BINS), np.float32), *parts])
    assert streamed.dtype == np.float32
    np.testing.assert_allclose(streamed, log_mel(samples), atol=1e-5)  # BLAS sums fewer rows in another order


def by_kaldi(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """kaldi-native-fbank's frames, from which ours must not be told apart: other programs' nets learn from those."""
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE_HZ
    options.frame_opts.frame_length_ms = FRAME_S * 1e3
    options.frame_opts.frame_shift_ms = FRAME_HOP_S * 1e3
    options.frame_opts.dither = 0.0
    options.frame_opts.remove_dc_offset = True
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = MEL_BINS
    options.mel_opts.low_freq = LOW_HZ
    options.mel_opts.high_freq = HIGH_HZ
    options.use_energy = False
    extractor = knf.OnlineFbank(options)
    extractor.accept_waveform(SAMPLE_RATE_HZ, samples.astype(np.float32).tolist())
    return np.stack([extractor.get_frame(i) for i in range(extractor.num_frames_ready)])


@pytest.mark.parametrize("rms", [1.0, 30.0, 1_000.0, 8_000.0])
def test_the_frames_are_those_of_kaldi(rms: float) -> None:
    rng = np.random.default_rng(round(rms))
    for sound in (
        babble(rng, 20_000, rms),
        rng.normal(0.0, rms, 20_000),
        np.zeros(2_000),
        300.0 + rng.normal(0, 1, 999),
    ):
        samples = np.clip(np.round(sound), -32768, 32767).astype(np.int16)
        np.testing.assert_allclose(log_mel(samples), by_kaldi(samples), atol=5e-3)
        assert np.abs(log_mel(samples) - by_kaldi(samples)).mean() < 1e-4


@settings(max_examples=60, deadline=None)
@given(samples=st.integers(0, 10_000))
def test_a_frame_comes_every_hop_once_its_sound_is_complete(samples: int) -> None:
    frames = log_mel(np.ones(samples, np.int16))
    expected = 0 if samples < FRAME_SAMPLES else 1 + (samples - FRAME_SAMPLES) // HOP_SAMPLES
    assert frames.shape == (expected, MEL_BINS)
    assert np.isfinite(frames).all()


def test_a_tone_shows_in_the_mel_bin_of_its_pitch() -> None:
    def mel(hz: float) -> float:
        return float(1127.0 * np.log1p(hz / 700.0))

    for hz in (200.0, 500.0, 1000.0, 2000.0, 4000.0):
        loudest = int(log_mel(tone(hz, 8000, 0.5)).mean(axis=0).argmax())
        centre = (mel(hz) - mel(LOW_HZ)) / (mel(HIGH_HZ) - mel(LOW_HZ)) * (MEL_BINS + 1) - 1
        assert abs(loudest - centre) <= 1.0


def test_what_lies_above_the_band_is_hardly_heard() -> None:
    inside = frame_level_db(log_mel(tone(3_000, 8000, 0.5))).mean()
    above = frame_level_db(log_mel(tone(6_500, 8000, 0.5))).mean()
    assert above < inside - 40


@pytest.mark.parametrize("hz", [150.0, 440.0, 3_000.0])
def test_ten_times_the_amplitude_is_twenty_decibel(hz: float) -> None:
    quiet, loud = (frame_level_db(log_mel(tone(hz, amplitude, 0.5))) for amplitude in (1_000, 10_000))
    np.testing.assert_allclose(loud - quiet, 20.0, atol=0.05)
    assert loud.dtype == np.float32


def test_the_level_of_a_frame_is_the_sum_of_its_mel_energies() -> None:
    frames = np.random.default_rng(1).uniform(-16.0, 30.0, (50, MEL_BINS)).astype(np.float32)
    expected_db = 10 * np.log10(np.exp(frames.astype(np.float64)).sum(axis=1))
    np.testing.assert_allclose(frame_level_db(frames), expected_db, atol=1e-3)
    assert frame_level_db(frames[:0]).shape == (0,)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), gain=st.floats(0.1, 1.0))
def test_the_encoder_sees_a_quiet_microphone_and_a_loud_one_alike(seed: int, gain: float) -> None:
    """On a scale from -1 to 1.5, rounding to int16 moves values by 0.002 on average, the worst (in a dip) by 0.03."""
    sound = babble(np.random.default_rng(seed), 3 * SAMPLE_RATE_HZ, rms=3_000.0)
    loud, quiet = (speech_input(log_mel(np.round(sound * g).astype(np.int16))) for g in (1.0, gain))
    assert loud.std() > 0.3
    assert np.abs(quiet - loud).mean() < 0.004
    assert np.abs(quiet - loud).max() < 0.1


@settings(max_examples=60, deadline=None)
@given(n=st.integers(0, 1000), seed=st.integers(0, 2**32 - 1), spread=st.floats(0.0, 40.0))
def test_the_encoders_input_has_its_shape_and_range_whatever_was_heard(n: int, seed: int, spread: float) -> None:
    frames = (10.0 + spread * np.random.default_rng(seed).normal(0.0, 1.0, (n, MEL_BINS))).astype(np.float32)
    window = speech_input(frames)
    assert window.shape == (1, WINDOW_FRAMES, MEL_BINS) and window.dtype == np.float32
    assert window.min(initial=0.0) >= -1.0 and window.max(initial=0.0) <= 1.5
    assert (window[0, : max(0, WINDOW_FRAMES - n)] == -1.0).all()  # before the sound began
    np.testing.assert_array_equal(window, speech_input(frames[-WINDOW_FRAMES:]))  # only the newest count


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.5, 3.5])
def test_silence_makes_an_input_of_finite_numbers(seconds: float) -> None:
    window = speech_input(log_mel(np.zeros(round(seconds * SAMPLE_RATE_HZ), np.int16)))
    assert window.shape == (1, WINDOW_FRAMES, MEL_BINS)
    assert np.isfinite(window).all() and window.min() >= -1.0 and window.max() <= 1.5


def test_the_window_stands_on_its_loud_frames_and_cuts_off_what_is_far_below_them() -> None:
    frames = np.full((WINDOW_FRAMES, MEL_BINS), 20.0, np.float32)
    frames[:100, 7] -= RANGE_NATS / 2
    frames[:100, 8] -= RANGE_NATS * 1.5
    window = speech_input(frames)[0]
    np.testing.assert_allclose(window[:100, 7], 0.0, atol=1e-5)
    np.testing.assert_allclose(window[:100, 8], -1.0, atol=1e-5)
    np.testing.assert_allclose(window[100:], 1.0, atol=1e-5)


def test_ten_minutes_of_sound_in_short_blocks_take_no_more_memory_than_one() -> None:
    """All frames of ten minutes are 11 MB, all samples 38 MB."""
    rng = np.random.default_rng(5)
    blocks = [rng.integers(-9_000, 9_000, SAMPLE_RATE_HZ // 10).astype(np.int16) for _ in range(10)]
    stream, process = LogMel(), psutil.Process(os.getpid())

    def minutes(count: int) -> None:
        for k in range(count * 600):
            assert len(stream.push(blocks[k % 10])) in (8, 10)

    minutes(1)
    before = process.memory_info().rss
    minutes(9)
    assert process.memory_info().rss - before < 2 * 2**20
