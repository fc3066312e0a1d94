"""How the cost of a step grows: with the tables' sizes, and with the frames a second."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from edge.bench.step_times import feed
from edge.bench.timing import interleaved
from edge.board import Board
from edge.bundle import Bundle
from edge.capture.media_file import MediaFile
from edge.capture.sample import AudioBlock, Frame, Sample
from edge.m3er.check import ModalityCheck
from edge.m3er.proxy import ProxyTable
from edge.m3er.tables import Tables
from edge.perceive.face_detector import FaceDetector
from edge.reading import MODALITIES
from edge.runtime import Runtime
from export.bench.made_tables import random_tables
from export.bench.record import Growth

ROUNDS = 30
DIM, R, ROWS, NEIGHBOURS = 64, 16, 128, 16
"""As shipped, where the other quantities are varied."""


def growths(bundle: Bundle, board: Board, clip: Path, detector: FaceDetector) -> list[Growth]:
    """Check and proxies against canonical dimensions, basis rows and feature dimension; all against frames a second."""
    return [
        _of_tables("canonical dimensions", "check", [4, 8, 16, 32, 64], lambda r: (DIM, r, ROWS)),
        _of_tables("basis rows", "proxy from two", [32, 64, 128, 256, 512, 1024], lambda k: (DIM, R, k)),
        _of_tables("feature dimension", "check + proxy", [16, 32, 64, 128, 256], lambda d: (d, min(R, d), ROWS)),
        _of_frames(bundle, board, clip, detector),
    ]


def _of_tables(name: str, what: str, at: list[int], sizes: Callable[[int], tuple[int, int, int]]) -> Growth:
    calls = {}
    for value in at:
        dim, r, rows = sizes(value)
        calls[str(value)] = _call(what, random_tables(np.random.default_rng(0), dim, r, rows))
    timed = interleaved(calls, ROUNDS)
    return Growth(
        name=name,
        unit="",
        what=f"{what}, a step",
        at=[float(value) for value in at],
        cpu_us=[timed[str(value)].cpu_us for value in at],
    )


def _call(what: str, tables: Tables) -> Callable[[], object]:
    rng = np.random.default_rng(1)
    features = {m: rng.normal(0.0, 0.5, tables.dim).astype(np.float32) for m in MODALITIES}
    two = {m: features[m] for m in MODALITIES[:2]}
    check, proxies = ModalityCheck(tables, 4, 0.3), ProxyTable(tables, NEIGHBOURS, 1.0)
    quality = dict.fromkeys(MODALITIES, 1.0)

    def both() -> None:
        check.step(features, quality)
        proxies.regenerate(MODALITIES[2], two)

    if what == "check":
        return lambda: check.step(features, quality)
    return both if what == "check + proxy" else lambda: proxies.regenerate(MODALITIES[2], two)


def _of_frames(bundle: Bundle, board: Board, clip: Path, detector: FaceDetector, seconds: int = 6) -> Growth:
    """The clip's first seconds of speech with its frames repeated or left out, through the whole runtime."""
    rates = [5.0, 10.0, 15.0, 20.0, 30.0]
    with MediaFile(clip) as source:
        samples = [s for s in source.samples() if s.captured_ns <= seconds * 1_000_000_000]
    taken: dict[float, list[float]] = {rate: [] for rate in rates}
    for _ in range(3):
        for rate in rates:
            runtime = Runtime(bundle, detector, None, settings=board)
            begin = time.process_time()
            feed(runtime, _at_rate(samples, rate, seconds), runtime.hop_ns)
            taken[rate].append((time.process_time() - begin) / seconds * 1e6)
    return Growth(
        name="frames per second",
        unit="1/s",
        what=f"a second of sound and pictures, faces by {detector.name}",
        at=rates,
        cpu_us=[float(np.median(taken[rate])) for rate in rates],
    )


def _at_rate(samples: list[Sample], rate: float, seconds: int) -> Iterator[Sample]:
    frames = [s for s in samples if isinstance(s, Frame)]
    times_ns = np.array([f.captured_ns for f in frames])
    shown: list[Sample] = []
    for n in range(int(seconds * rate)):
        at_ns = round(n / rate * 1e9)
        nearest = frames[int(np.abs(times_ns - at_ns).argmin())]
        # a camera's noise: the same picture twice would be taken for a frozen one
        image = np.where(np.random.default_rng(n).random((16, 16, 1)) < 0.5, 1, 2).astype(np.uint8)
        noisy = nearest.image.copy()
        noisy[:16, :16] = image
        shown.append(Frame(at_ns, noisy))
    sound: list[Sample] = [s for s in samples if isinstance(s, AudioBlock)]
    yield from sorted([*shown, *sound], key=lambda s: s.captured_ns)
