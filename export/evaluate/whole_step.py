"""The whole step of a bundle (check, proxies, fusion) on vote-matched moments, as a device runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle, NetName
from edge.engines.engine import open_engine
from edge.m3er.check import ModalityCheck
from edge.m3er.fusion import FusionStep
from edge.m3er.proxy import ProxyTable
from edge.m3er.tables import Tables
from edge.reading import MODALITIES, Modality
from export.convert.bundle_nets import encode_file
from export.corpora.everything import Corpora
from export.corpora.paired import PairedSteps
from export.corpora.vote_matched import Encode, paired_steps
from export.evaluate.bootstrap import interval
from export.evaluate.evaluation import Figure
from export.evaluate.scores import calibration_error, fit_temperature, run_moments, without
from export.fit.fit_tables import CHECK_WINDOW_STEPS, NEIGHBOURS, standardised
from export.nets.fusion import STATE_SIZES

Array = NDArray[np.float32]

UNKNOWN_SHARE = 0.10
"""``unknown`` is said below the confidence of the least confident tenth of clean validation moments."""
TEST_COPIES = 2
_TEST_PAIRS = 2  # added to the seed, as in export/bundle.py

SITUATIONS: Mapping[str, tuple[Modality, ...]] = {
    "all three": (),
    "no face": ("face",),
    "no speech": ("speech",),
    "no text": ("text",),
    "face only": ("speech", "text"),
    "speech only": ("face", "text"),
    "text only": ("face", "speech"),
}
"""What is missing in each."""


@dataclass(frozen=True)
class Method:
    """Check, proxies and fusion of a bundle, ready to run over moments."""

    fusion_file: Path
    tables: Tables
    ridge: float
    neighbours: int = NEIGHBOURS
    window_steps: int = CHECK_WINDOW_STEPS

    @classmethod
    def of(cls, bundle: Bundle) -> "Method":
        """As a device would wire it."""
        manifest = bundle.manifest
        fusion = bundle.path(bundle.net("fusion"))
        return cls(fusion, bundle.tables, manifest.ridge, manifest.neighbours, manifest.check_window_steps)

    def uncalibrated(self) -> "Method":
        """With temperatures of 1."""
        return replace(self, tables=replace(self.tables, temperature=np.ones(len(MODALITIES), np.float32)))

    def run(self, moments: PairedSteps, present: NDArray[np.bool_], check: bool) -> tuple[Array, float]:
        """Probabilities at the last step (n, classes), and the share of present modalities that the check dropped."""
        return run_moments(
            standardised(self.tables, moments),
            present,
            ModalityCheck(self.tables, self.window_steps, 0.0) if check else None,
            ProxyTable(self.tables, self.neighbours, self.ridge),
            FusionStep(open_engine(self.fusion_file), STATE_SIZES, self.tables.temperature),
            moments.labels.shape[1],
        )


def encoders_of(bundle: Bundle) -> dict[NetName, Encode]:
    """The bundle's encoder files as functions over many inputs."""
    return {m: encode_file(bundle.path(bundle.net(m))) for m in MODALITIES}


def test_moments(bundle: Bundle, corpora: Corpora, seed: int) -> tuple[PairedSteps, list[str]]:
    """The vote-matched moments that every figure of the whole step is about, and the speaker of each."""
    split = "test"
    moments = paired_steps(
        corpora.recordings[split],
        corpora.faces[split],
        corpora.utterances[split],
        encoders_of(bundle),
        bundle.vocabulary,
        bundle.manifest.hop_s,
        TEST_COPIES,
        seed + _TEST_PAIRS,
    )
    return moments, [r.speaker for r in corpora.recordings[split]] * TEST_COPIES


def calibrated(fusion_file: Path, ridge: float, tables: Tables, validation: PairedSteps) -> tuple[Tables, float]:
    """The tables with a temperature for one, two and three live modalities; and the confidence below which a reading
    says ``unknown``.

    With one modality alive the fusion is far surer than it is right if it is scaled as with three.
    """
    truth = validation.labels.argmax(axis=1)
    temperature = []
    for live in (1, 2, 3):
        logits = []
        for kept in combinations(MODALITIES, live):
            gone = [m for m in MODALITIES if m not in kept]
            method = Method(fusion_file, tables, ridge)
            raw, _ = method.run(validation, without(validation.present, gone), check=False)
            logits.append(np.log(np.maximum(raw, 1e-9)))
        temperature.append(fit_temperature(np.concatenate(logits), np.tile(truth, len(logits))))
    tables = replace(tables, temperature=np.array(temperature, np.float32))
    probabilities, _ = Method(fusion_file, tables, ridge).run(validation, validation.present, check=True)
    return tables, float(np.quantile(probabilities.max(axis=1), UNKNOWN_SHARE))


def whole_step_figures(bundle: Bundle, data: str, moments: PairedSteps, people: Sequence[str]) -> list[Figure]:
    """Accuracy, mean recall and calibration error with everything there, and with each modality or pair missing."""
    method = Method.of(bundle)
    found = []
    for situation, gone in SITUATIONS.items():
        probabilities, _ = method.run(moments, without(moments.present, gone), check=True)
        found += step_figures(data, situation, probabilities, moments.labels.argmax(axis=1), people)
    return found


def step_figures(
    data: str, situation: str, probabilities: Array, truth: NDArray[np.int64], people: Sequence[str]
) -> list[Figure]:
    """Of one situation."""
    guess, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    split = f"test, {len(set(people))} speakers"
    rows = []
    for name in ("accuracy", "mean recall"):
        found = interval(truth, guess, classes, "accuracy" if name == "accuracy" else "mean recall", people)
        rows.append((name, found.value, found.low, found.high))
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(truth), size=len(truth)) for _ in range(200)]
    errors = [calibration_error(probabilities[d], truth[d]) for d in draws]
    error = calibration_error(probabilities, truth)
    rows.append(
        ("calibration error", error, min(error, np.quantile(errors, 0.025)), max(error, np.quantile(errors, 0.975)))
    )
    return [
        Figure(
            part="whole step",
            data=f"{data}, {situation}",
            split=split,
            name=name,
            value=value,
            low=float(low),
            high=float(high),
            samples=len(truth),
            reach=0.05 if name == "calibration error" and situation == "all three" else None,
            better="lower" if name == "calibration error" else "higher",
        )
        for name, value, low, high in rows
    ]
