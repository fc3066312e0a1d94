"""Ours against others', in one run on one core, in turns, on the same inputs."""

import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import EmpiricalCovariance
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from edge.bench.net_times import likely_inputs
from edge.bench.step_times import WholeStep, speech_blocks
from edge.board import Board
from edge.bundle import Bundle
from edge.capture.media_file import MediaFile
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock, Frame
from edge.engines.engine import open_engine
from edge.m3er.check import ModalityCheck
from edge.m3er.proxy import ProxyTable
from edge.perceive.face_detector import FaceDetector
from edge.reading import MODALITIES, PAIRS, Modality
from edge.runtime import Runtime
from export.bench.compare import compare
from export.bench.record import Peer
from export.bench.script_people_write import WINDOW_STEPS, Script
from export.convert.onnx_file import write_onnx
from export.nets.fusion import STATE_SIZES, FusionStep

MINI_XCEPTION = "fer2013_mini_XCEPTION.102-0.66.onnx"
FACE_API = "faceapi_face_expression.onnx"
_FRAMES_A_STEP = 5


def whole_step(bundle: Bundle, board: Board, clip: Path, detector: FaceDetector, peers: Path) -> list[Peer]:
    """The whole step against the script that people write."""
    frames, sound = good_moment(clip)
    script = Script(peers / MINI_XCEPTION, len(bundle.manifest.labels))
    crops = [face for frame in frames for face in script.faces(frame)]
    blind = Script(peers / MINI_XCEPTION, len(bundle.manifest.labels))
    blind.faces = lambda frame: crops[:1]  # type: ignore[method-assign]
    ours = WholeStep(bundle, board, clip)
    live = _LiveStep(bundle, board, detector, clip)
    without = compare(
        "whole step, no detection on our side",
        "ours, without detection",
        {
            "ours, without detection": ours.run,
            "the script, with Haar on every frame": lambda: script.step(frames, sound),
            "the script without its Haar": lambda: blind.step(frames, sound),
        },
    )
    return without + compare(
        "whole step with detection",
        f"ours, {detector.name} every 0.3 s, tracking between",
        {
            f"ours, {detector.name} every 0.3 s, tracking between": live.run,
            "the script, with Haar on every frame": lambda: script.step(frames, sound),
        },
    )


class _LiveStep:
    """Half a second of frames and sound after another, through the whole runtime."""

    def __init__(self, bundle: Bundle, board: Board, detector: FaceDetector, clip: Path) -> None:
        self._runtime = Runtime(bundle, detector, None, settings=board)
        frames, _ = good_moment(clip)
        self._frames, self._blocks = cycle(frames), cycle(speech_blocks(clip))
        self._now_ns = 0

    def run(self) -> None:
        for _ in range(_FRAMES_A_STEP):
            self._now_ns += self._runtime.hop_ns // _FRAMES_A_STEP
            self._runtime.take(AudioBlock(self._now_ns, next(self._blocks).samples))
            self._runtime.take(Frame(self._now_ns, next(self._frames)))
        self._runtime.step(self._now_ns)


def good_moment(clip: Path) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    """Frames of half a second in which the face is good, and the 3 s of sound before their end."""
    with MediaFile(clip) as source:
        samples = [s for s in source.samples() if s.captured_ns <= 6_000_000_000]
    frames = [s.image for s in samples if isinstance(s, Frame)][-_FRAMES_A_STEP:]
    sound = np.concatenate([s.samples for s in samples if isinstance(s, AudioBlock)])[-3 * SAMPLE_RATE_HZ :]
    return frames, sound.astype(np.float32) / np.float32(32768)


def check_and_proxy(bundle: Bundle) -> list[Peer]:
    """The check of three modalities and a proxy from two, against scikit-learn's parts of the same sizes."""
    rng = np.random.default_rng(0)
    tables, manifest = bundle.tables, bundle.manifest
    features = {m: rng.normal(0.0, 0.5, manifest.dim).astype(np.float32) for m in MODALITIES}
    two: dict[Modality, NDArray[np.float32]] = {m: features[m] for m in MODALITIES[:2]}
    target = MODALITIES[2]
    check = ModalityCheck(tables, manifest.check_window_steps, manifest.minimum_quality)
    proxies = ProxyTable(tables, manifest.neighbours, manifest.ridge)
    quality = dict.fromkeys(MODALITIES, 1.0)
    past = {m: rng.normal(size=(500, manifest.dim)) for m in MODALITIES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noise does not converge
        cca = {pair: CCA(len(tables.projection[pair]), max_iter=20).fit(past[pair[0]], past[pair[1]]) for pair in PAIRS}
    cloud = {m: EmpiricalCovariance().fit(past[m]) for m in MODALITIES}
    neighbours = {m: NearestNeighbors(n_neighbors=manifest.neighbours).fit(tables.basis[m]) for m in two}

    def ours() -> None:
        check.step(features, quality)
        proxies.regenerate(target, two)

    def theirs() -> None:
        for m in MODALITIES:
            cloud[m].mahalanobis(features[m][None])
        for i, j in PAIRS:
            u, v = cca[i, j].transform(features[i][None], features[j][None])
            np.corrcoef(u[0], v[0])
        for m, feature in two.items():
            (nearest,) = neighbours[m].kneighbors(feature[None], return_distance=False)
            ridge = Ridge(alpha=manifest.ridge, fit_intercept=False).fit(tables.basis[m][nearest].T, feature)
            ridge.coef_ @ tables.basis[target][nearest]

    return compare("check + proxy", "ours, numpy", {"ours, numpy": ours, "scikit-learn": theirs})


class _Unrolled(torch.nn.Module):
    """The fusion as it is usually exported: the whole window, from the beginning, at every step."""

    def __init__(self, step: FusionStep) -> None:
        super().__init__()
        self.step = step

    def forward(self, face: torch.Tensor, speech: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        state = [torch.zeros(1, size) for size in STATE_SIZES.values()]
        for n in range(WINDOW_STEPS):
            answer = self.step(face[:, n], speech[:, n], text[:, n], *state)
            joint, state = answer[0], list(answer[2:])
        logits: torch.Tensor = joint
        return logits


def fusion(bundle: Bundle, board: Board) -> list[Peer]:
    """One fusion step with its state, against eager PyTorch and against the net unrolled over its window."""
    variant = bundle.net("fusion", board.nets["fusion"].engine, board.nets["fusion"].precision)
    engine, inputs = open_engine(bundle.path(variant)), likely_inputs(bundle, variant)
    net = FusionStep(len(bundle.manifest.labels)).eval()
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    rng = np.random.default_rng(0)
    window: dict[str, NDArray[Any]] = {
        m: rng.normal(size=(1, WINDOW_STEPS, bundle.manifest.dim)).astype(np.float32) for m in MODALITIES
    }
    whole = _Unrolled(net)
    windows = [torch.from_numpy(array) for array in window.values()]

    def eager(module: torch.nn.Module, given: list[torch.Tensor]) -> Callable[[], object]:
        def call() -> object:
            with torch.no_grad():
                return module(*given)

        return call

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "unrolled.onnx"
        write_onnx(whole, [dict(window)], ["joint_logits"], path)
        unrolled = open_engine(path)
    ours = f"ours, one step, {variant.engine} {variant.precision}"
    return compare(
        "fusion",
        ours,
        {
            ours: partial(engine.run, inputs),
            "eager PyTorch, one step": eager(net, tensors),
            f"eager PyTorch, window of {WINDOW_STEPS}": eager(whole, windows),
            f"onnxruntime, unrolled over {WINDOW_STEPS}": lambda: unrolled.run(window),
        },
    )


def face_encoders(bundle: Bundle, peers: Path) -> list[Peer]:
    """Our face encoder against two expression nets that people use, all in onnxruntime."""
    rng = np.random.default_rng(0)
    calls: dict[str, Callable[[], object]] = {}
    for precision in ("fp32", "int8"):
        variant = bundle.net("face", "onnx", precision)
        calls[f"ours, {precision}, 48x48"] = partial(
            open_engine(bundle.path(variant)).run, likely_inputs(bundle, variant)
        )
    for name, file in (("mini_XCEPTION, 64x64", MINI_XCEPTION), ("face-api, 112x112", FACE_API)):
        engine = open_engine(peers / file)
        shape = [1, 112, 112, 3] if file == FACE_API else [1, 64, 64, 1]
        calls[name] = partial(engine.run, {engine.inputs[0]: rng.normal(size=shape).astype(np.float32)})
    theirs = {name: call for name, call in calls.items() if not name.startswith("ours")}
    return [
        peer
        for ours in calls
        if ours.startswith("ours")
        for peer in compare("face encoder, onnxruntime", ours, {ours: calls[ours], **theirs})
    ]
