"""The script that people write: the usual libraries, called in the usual way, once a step.

Haar cascade on every frame, mini_XCEPTION on every face, MFCC by librosa over the whole window, CCA and nearest
neighbours by scikit-learn, the fusion in eager PyTorch over the whole window. Words cost it nothing here.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import librosa
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from sklearn.cross_decomposition import CCA
from sklearn.neighbors import NearestNeighbors

from edge.capture.sample import SAMPLE_RATE_HZ
from edge.reading import MODALITIES, PAIRS
from export.nets.encoder import DIM
from export.nets.fusion import STATE_SIZES, FusionStep

WINDOW_STEPS = 10
"""The fusion is run over so many steps anew at every step."""
_CANONICAL = 5
_CROP_PX = 64
_MFCC = 40


class Script:
    """One step: half a second of frames, and a window of sound."""

    def __init__(self, mini_xception: Path, classes: int) -> None:
        rng = np.random.default_rng(0)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
        self._net = onnxruntime.InferenceSession(str(mini_xception), options, providers=["CPUExecutionProvider"])
        self._input = self._net.get_inputs()[0].name
        sizes = {"face": 7, "speech": _MFCC, "text": DIM}
        past = {m: rng.normal(size=(500, size)) for m, size in sizes.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # noise does not converge
            self._cca = {(i, j): CCA(_CANONICAL).fit(past[i], past[j]) for i, j in PAIRS}
        self._past = past
        self._neighbours = NearestNeighbors(n_neighbors=16).fit(past["speech"])
        self._words = rng.normal(size=DIM)
        self._fusion = FusionStep(classes).eval()
        self._history: list[dict[str, NDArray[np.float64]]] = []

    def step(self, frames: Sequence[NDArray[np.uint8]], sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (classes,)."""
        faces = [face for frame in frames for face in self.faces(frame)]
        features = {
            "face": np.mean([self.expression(face) for face in faces], axis=0) if faces else np.zeros(7),
            "speech": librosa.feature.mfcc(y=sound, sr=SAMPLE_RATE_HZ, n_mfcc=_MFCC).mean(axis=1),
            "text": self._words,
        }
        for i, j in PAIRS:
            u, v = self._cca[i, j].transform(features[i][None], features[j][None])
            np.corrcoef(u[0], v[0])
        _, nearest = self._neighbours.kneighbors(features["speech"][None])
        basis = self._past["speech"][nearest[0]]
        weights = np.linalg.lstsq(basis.T, features["speech"], rcond=None)[0]
        features["face"] = weights @ self._past["face"][nearest[0]]
        self._history = [*self._history, features][-WINDOW_STEPS:]
        return self._fused()

    def faces(self, frame: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Haar cascade, as every tutorial has it."""
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        found = self._cascade.detectMultiScale(grey, 1.3, 5)
        return [cv2.resize(grey[y : y + h, x : x + w], (_CROP_PX, _CROP_PX)) for x, y, w, h in found]

    def expression(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """mini_XCEPTION's seven probabilities."""
        x = (face.astype(np.float32) / 255 - 0.5) * 2
        answer: NDArray[np.float32] = self._net.run(None, {self._input: x[None, :, :, None]})[0][0]
        return answer

    def _fused(self) -> NDArray[np.float32]:
        with torch.no_grad():
            state = [torch.zeros(1, size) for size in STATE_SIZES.values()]
            for step in self._history:
                inputs = [torch.from_numpy(np.resize(step[m], DIM).astype(np.float32))[None] for m in MODALITIES]
                joint, _, *state = self._fusion(*inputs, *state)
            probabilities: NDArray[np.float32] = joint.softmax(dim=1)[0].numpy()
        return probabilities
