"""Some seconds of a live run, measured: what the camera, the microphone and the recogniser of this machine give.

Figures only: no picture, no sound and no word leaves this file.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import numpy as np
from pydantic import BaseModel, ConfigDict

from edge.bundle import Bundle
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock, Frame, Sample
from edge.cores import on_cores
from edge.live import LiveDevices, live_steps
from edge.pace import PaceKeeper
from edge.perceive.decoder import tuned_model
from edge.perceive.face_detector import FaceBox, open_detector
from edge.reading import MODALITIES, Modality, Reading
from edge.runtime import Runtime
from edge.settings.settings import Settings

LIVE_S = 10.0
_GAP_S = 0.15
"""A block is 0.1 s: where its stamp is so much later than its samples explain, sound was lost."""
_SILENT_DBFS = -120.0


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CameraFigures(_Record):
    """Of the pictures that were looked at. Brightness from 0 to 255."""

    pictures: int = 0
    pictures_per_s: float = 0.0
    width_px: int = 0
    height_px: int = 0
    brightness: float = 0.0
    with_face: int = 0


class MicrophoneFigures(_Record):
    """Of the sound. Level and peak below full scale; gaps: how often sound was lost."""

    samples_per_s: float = 0.0
    level_dbfs: float = _SILENT_DBFS
    peak_dbfs: float = _SILENT_DBFS
    gaps: int = 0


class LiveFigures(_Record):
    """A live run in figures.

    Attributes:
        readings: how many; one every ``hop_s`` is due.
        states: per modality, how many readings gave it which state, or the reason why it is not live.
        latest_step_ms: how late the latest step was.
        capture_to_reading_ms: median over readings; None where nothing was captured.
    """

    seconds: float
    readings: int
    hop_s: float
    states: dict[Modality, dict[str, int]]
    camera: CameraFigures | None
    microphone: MicrophoneFigures | None
    words_in_readings: int
    latest_step_ms: float
    capture_to_reading_ms: float | None
    faces_by: str


class _Counting(LiveDevices):
    """Counts the samples that pass."""

    def __init__(
        self,
        camera: str | None,
        microphone: str | None,
        speech_model: Path | None,
        settings: Settings,
        tuned: Path | None,
    ) -> None:
        super().__init__(camera, microphone, speech_model, settings, tuned)
        self.frames: list[tuple[int, tuple[int, int], float]] = []
        self.sound: list[tuple[int, int, float, int]] = []
        self.faces = 0

    def samples(self) -> Iterator[Sample]:
        for sample in super().samples():
            if isinstance(sample, AudioBlock):
                wide = sample.samples.astype(np.float64)
                loudest = int(np.abs(wide).max(initial=0))
                self.sound.append((sample.captured_ns, len(wide), float(wide @ wide), loudest))
            else:
                height, width = sample.image.shape[:2]
                self.frames.append((sample.captured_ns, (width, height), float(sample.image[::8, ::8].mean())))
            yield sample

    def watch(self, _frame: Frame, box: FaceBox | None) -> None:
        self.faces += box is not None

    def camera_figures(self) -> CameraFigures:
        if not self.frames:
            return CameraFigures()
        width_px, height_px = self.frames[-1][1]
        return CameraFigures(
            pictures=len(self.frames),
            pictures_per_s=_rate([at_ns for at_ns, _, _ in self.frames], len(self.frames) - 1),
            width_px=width_px,
            height_px=height_px,
            brightness=round(sum(light for _, _, light in self.frames) / len(self.frames), 1),
            with_face=self.faces,
        )

    def microphone_figures(self) -> MicrophoneFigures:
        if not self.sound:
            return MicrophoneFigures()
        samples = sum(length for _, length, _, _ in self.sound)
        pairs = zip(self.sound, self.sound[1:], strict=False)
        return MicrophoneFigures(
            samples_per_s=_rate([at_ns for at_ns, _, _, _ in self.sound], samples - self.sound[0][1]),
            level_dbfs=_dbfs((sum(power for _, _, power, _ in self.sound) / max(1, samples)) ** 0.5),
            peak_dbfs=_dbfs(max(peak for _, _, _, peak in self.sound)),
            gaps=sum((b[0] - a[0]) / 1e9 - b[1] / SAMPLE_RATE_HZ > _GAP_S for a, b in pairs),
        )


def measure_live(
    bundle: Bundle,
    settings: Settings,
    camera: str | None,
    microphone: str | None,
    speech_model: Path | None,
    seconds: float = LIVE_S,
) -> LiveFigures:
    """Run so long from the first reading on, and measure; at the end nothing of it is left.

    Args:
        settings: all but the sources and the model of words, which the caller has looked up.
        camera, microphone, speech_model: as :class:`edge.live.LiveDevices` wants them.

    Raises:
        M3erError: a net or the detector cannot be opened. What is wrong with a device stands in the figures.
    """
    readings: list[Reading] = []
    with ExitStack() as open_things:
        tuned = None
        if speech_model is not None and microphone is not None:
            tuned = open_things.enter_context(tuned_model(speech_model, settings.speech.decoder))
        devices = _Counting(camera, microphone, speech_model, settings, tuned)
        open_things.enter_context(devices)
        open_things.enter_context(on_cores(settings.cores.run))
        detector = open_detector(None if settings.faces.model is None else Path(settings.faces.model))
        runtime = Runtime(bundle, detector, devices.recogniser, settings=settings, began_ns=time.monotonic_ns())
        until_ns = runtime.began_ns + round(seconds * 1e9)
        pace = PaceKeeper(bundle.manifest.hop_s, settings.pace)
        with closing(live_steps(devices, runtime, pace, lambda: time.monotonic_ns() >= until_ns, devices.watch)) as run:
            readings.extend(run)
        measured_s = (time.monotonic_ns() - runtime.began_ns) / 1e9
    hop_s = bundle.manifest.hop_s
    late_ms = [1e3 * (r.t - round(r.t / hop_s) * hop_s) for r in readings]
    latencies_ms = [r.latency_ms["capture_to_reading"] for r in readings if "live" in _states_of(r).values()]
    return LiveFigures(
        seconds=round(measured_s, 2),
        readings=len(readings),
        hop_s=hop_s,
        states={m: dict(Counter(_states_of(r)[m] for r in readings)) for m in MODALITIES},
        camera=devices.camera_figures() if camera is not None else None,
        microphone=devices.microphone_figures() if microphone is not None else None,
        words_in_readings=sum(bool(reading.transcript) for reading in readings),
        latest_step_ms=round(max(late_ms, default=0.0), 1),
        capture_to_reading_ms=round(median(latencies_ms), 1) if latencies_ms else None,
        faces_by=detector.name,
    )


def _states_of(reading: Reading) -> dict[Modality, str]:
    return {m: one.reason or one.state for m, one in reading.modalities.items()}


def _rate(stamps_ns: list[int], things: int) -> float:
    """Things a second between the first and the last stamp."""
    return round(things * 1e9 / max(1, stamps_ns[-1] - stamps_ns[0]), 2) if len(stamps_ns) > 1 else 0.0


def _dbfs(amplitude: float) -> float:
    return round(20 * np.log10(amplitude / 32768), 1) if amplitude >= 1e-2 else _SILENT_DBFS
