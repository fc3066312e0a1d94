"""What ruins a robot's hearing: clipping, babble, a fan, a muted microphone, lost packets. Three severities each.

Worked on the waveform, for measuring the modality check. Encoders learn damage on log-mel frames
(:mod:`export.corpora.speech_ruin`), from none of these functions.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge.capture.sample import SAMPLE_RATE_HZ

Sound = NDArray[np.int16]
_FULL = 32_767


def clipping(sound: Sound, severity: int, rng: np.random.Generator, others: list[Sound]) -> Sound:
    """A preamplifier 14, 26 or 40 dB too loud, counted from a peak at full scale."""
    peak = max(1, int(np.abs(sound.astype(np.int32)).max()))
    return _as_sound(sound.astype(np.float64) * (_FULL / peak) * (5.0, 20.0, 100.0)[severity])


def babble(sound: Sound, severity: int, rng: np.random.Generator, others: list[Sound]) -> Sound:
    """Six other people talking, 5 dB below the voice, as loud, or 10 dB above it."""
    crowd = np.zeros(len(sound))
    for pick in rng.choice(len(others), 6):
        voice = np.resize(others[pick].astype(np.float64), len(sound))
        crowd += np.roll(voice / (voice.std() + 1.0), rng.integers(len(sound)))
    return _with_noise(sound, crowd, (5.0, 0.0, -10.0)[severity])


def fan(sound: Sound, severity: int, rng: np.random.Generator, others: list[Sound]) -> Sound:
    """A fan's rush (falling with frequency) and the hum of its blades, 5, 0 or -10 dB."""
    frequency_hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    phase = np.exp(2j * np.pi * rng.random(len(frequency_hz)))
    rush = np.fft.irfft(phase / np.maximum(frequency_hz, 80.0) ** 0.7, len(sound))
    seconds = np.arange(len(sound)) / SAMPLE_RATE_HZ
    blades_hz = rng.uniform(90, 240)
    hum = sum(np.sin(2 * np.pi * blades_hz * k * seconds + rng.uniform(0, 6)) / k for k in range(1, 6))
    return _with_noise(sound, rush / rush.std() + 0.5 * hum, (5.0, 0.0, -10.0)[severity])


def muted(sound: Sound, severity: int, rng: np.random.Generator, others: list[Sound]) -> Sound:
    """Zeros in the last third, the last two thirds, or throughout."""
    out: Sound = sound.copy()
    out[len(out) - round(len(out) * (0.33, 0.67, 1.0)[severity]) :] = 0
    return out


def packet_loss(sound: Sound, severity: int, rng: np.random.Generator, others: list[Sound]) -> Sound:
    """Packets of 20 ms, lost in runs of three: a tenth, a third, two thirds of them."""
    packet = SAMPLE_RATE_HZ // 50 * 3
    lost = rng.random(len(sound) // packet + 1) < (0.1, 0.33, 0.67)[severity]
    return np.asarray(np.where(np.repeat(lost, packet)[: len(sound)], 0, sound), np.int16)


KINDS: dict[str, Callable[[Sound, int, np.random.Generator, list[Sound]], Sound]] = {
    "clipping": clipping,
    "babble": babble,
    "fan": fan,
    "muted": muted,
    "packet loss": packet_loss,
}


def _with_noise(sound: Sound, noise: NDArray[np.float64], snr_db: float) -> Sound:
    """Mixed at this ratio of powers, then turned down where it would clip."""
    voice = sound.astype(np.float64)
    noise = noise * (voice.std() + 1.0) / (noise.std() + 1e-9) * 10 ** (-snr_db / 20)
    mixed = voice + noise
    return _as_sound(mixed * min(1.0, _FULL / (np.abs(mixed).max() + 1.0)))


def _as_sound(samples: NDArray[np.float64]) -> Sound:
    return np.asarray(np.clip(np.round(samples), -_FULL - 1, _FULL), np.int16)
