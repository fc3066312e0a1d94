"""One step on this board, whole and in parts, and a second of sound and pictures, without speech-to-text."""

import time
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bench.record import Media, StepTime
from edge.bench.timing import interleaved, warm_up
from edge.bundle import Bundle
from edge.capture.media_file import MediaFile
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock, Frame, Sample
from edge.m3er.check import ModalityCheck
from edge.m3er.fusion import FusionStep
from edge.m3er.proxy import ProxyTable
from edge.nets import open_net
from edge.perceive.face_crop import CROP_SIZE_PX, face_input
from edge.perceive.face_detector import FaceBox, FaceDetector
from edge.perceive.face_perception import MOST_CROPS
from edge.perceive.log_mel import LogMel
from edge.perceive.percept import Percept
from edge.perceive.speech_perception import SpeechPerception
from edge.reading import MODALITIES, Modality
from edge.runtime import Runtime
from edge.settings.settings import Settings

FRAMES_PER_S = 10.0
_SPEECH_S = (2.0, 8.0)
"""Somebody speaks in this part of the sample clip."""
_WORDS = "this is so good we can do that do you like my jacket"


class _NoFaces:
    name = "none"

    def detect(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        return []


def time_steps(
    bundle: Bundle, settings: Settings, clip: Path, rounds: int = 30, warm_up_s: float = 6.0
) -> list[StepTime]:
    """Time a step and its parts, in turns. Speech is the clip's; the face is noise, so that a proxy is made."""
    rng = np.random.default_rng(0)
    manifest, tables = bundle.manifest, bundle.tables
    blocks = cycle(speech_blocks(clip))
    a_hop = round(manifest.hop_s / 0.1)
    log_mel = LogMel()
    check = ModalityCheck(tables, manifest.check_window_steps, manifest.minimum_quality)
    proxies = ProxyTable(tables, manifest.neighbours, manifest.ridge)
    fusion = FusionStep(open_net(bundle, "fusion", settings), manifest.state, tables.temperature)
    features = {m: rng.normal(0.0, 0.5, manifest.dim).astype(np.float32) for m in MODALITIES}
    two: dict[Modality, NDArray[np.float32]] = {m: features[m] for m in MODALITIES if m != "text"}
    quality = dict.fromkeys(MODALITIES, 1.0)
    whole = WholeStep(bundle, settings, clip)

    def mel() -> None:
        for _ in range(a_hop):
            log_mel.push(next(blocks).samples)

    def check_and_proxy() -> None:
        check.step(features, quality)
        proxies.regenerate("text", two)

    what = {
        "log-mel": f"{manifest.hop_s:g} s of sound in blocks of 0.1 s",
        "check": "three modalities",
        "proxy": "one modality from two",
        "check + proxy": "both",
        "fusion step": "with its state and softmax",
        "whole step": f"log-mel, {MOST_CROPS} face crops, speech, text, check, proxy, fusion, reading",
    }
    warm_up(whole.run, warm_up_s)
    timed = interleaved(
        {
            "log-mel": mel,
            "check": lambda: check.step(features, quality),
            "proxy": lambda: proxies.regenerate("text", two),
            "check + proxy": check_and_proxy,
            "fusion step": lambda: fusion.step(features, 3),
            "whole step": whole.run,
        },
        rounds,
    )
    return [StepTime(part=part, what=what[part], **vars(timed[part])) for part in what]


class WholeStep:
    """A step after step, from sound, ready face crops and ready words: no camera, no detector, no recogniser."""

    def __init__(self, bundle: Bundle, settings: Settings, clip: Path) -> None:
        rng = np.random.default_rng(0)
        crops = rng.integers(0, 256, (MOST_CROPS, CROP_SIZE_PX, CROP_SIZE_PX), dtype=np.uint8)
        self._faces = tuple(face_input(crops)[:, None])
        self._tokens = bundle.vocabulary.encode(_WORDS.split())
        self._blocks = cycle(speech_blocks(clip))
        self._speech = SpeechPerception()
        self._runtime = Runtime(bundle, _NoFaces(), None, settings=settings)
        self._hop_ns = self._runtime.hop_ns
        self._now_ns = 0

    def run(self) -> None:
        """One step: half a second passes."""
        end_ns = self._now_ns + self._hop_ns
        while self._now_ns < end_ns:
            samples = next(self._blocks).samples
            self._now_ns += len(samples) * 1_000_000_000 // SAMPLE_RATE_HZ
            self._speech.push(AudioBlock(self._now_ns, samples))
        percepts: dict[Modality, Percept] = {
            "face": Percept(self._faces, self._now_ns, 1.0, None),
            "speech": self._speech.percept(self._now_ns),
            "text": Percept((self._tokens,), self._now_ns, 1.0, None),
        }
        self.reading = self._runtime.react(percepts, self._now_ns, time.perf_counter_ns())


def time_media(bundle: Bundle, settings: Settings, clip: Path, detector: FaceDetector) -> Media:
    """CPU time of the clip's sound and pictures through the runtime, its decoding apart."""
    runtime = Runtime(bundle, detector, None, settings=settings)
    begin = time.process_time()
    decoding = stepping = 0.0
    next_ns, last_ns, frames = runtime.hop_ns, 0, 0
    with MediaFile(clip) as source:
        for second in _seconds(source.samples()):
            decoded = time.process_time()
            next_ns = feed(runtime, second, next_ns)
            frames += sum(isinstance(sample, Frame) for sample in second)
            last_ns = second[-1].captured_ns if second else last_ns
            stepped = time.process_time()
            decoding, stepping, begin = decoding + decoded - begin, stepping + stepped - decoded, stepped
    seconds = last_ns / 1e9
    return Media(
        frames_per_s=frames / seconds,
        detector=detector.name,
        share_of_core=stepping / seconds,
        decoding_share_of_core=decoding / seconds,
    )


def feed(runtime: Runtime, samples: Iterable[Sample], next_ns: int) -> int:
    """Let the runtime take samples, with a step whenever one is due; returns when the next one is."""
    for sample in samples:
        while sample.captured_ns > next_ns:
            runtime.step(next_ns)
            next_ns += runtime.hop_ns
        runtime.take(sample)
    return next_ns


def _seconds(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    """A second at a time, at most FRAMES_PER_S frames in each, so that decoding can be timed apart."""
    batch: list[Sample] = []
    end_ns, next_frame_ns = 1_000_000_000, 0
    for sample in samples:
        if sample.captured_ns > end_ns:
            yield batch
            batch = []
            end_ns += 1_000_000_000
        if isinstance(sample, Frame):
            if sample.captured_ns + 5_000_000 < next_frame_ns:
                continue
            next_frame_ns += round(1e9 / FRAMES_PER_S)
        batch.append(sample)
    yield batch


def speech_blocks(clip: Path) -> list[AudioBlock]:
    """Sound of a clip of ours in which somebody speaks."""
    begin_s, end_s = _SPEECH_S
    blocks = []
    with MediaFile(clip) as source:
        for sample in source.samples():
            if isinstance(sample, AudioBlock) and sample.captured_ns > begin_s * 1e9:
                blocks.append(sample)
            if sample.captured_ns > end_s * 1e9:
                break
    return blocks
