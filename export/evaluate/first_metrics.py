"""Scores of a bundle's files as shipped, on people, images and texts that nothing was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.onnx_engine import OnnxEngine
from edge.m3er.check import ModalityCheck
from edge.m3er.fusion import FusionStep
from edge.m3er.proxy import ProxyTable
from edge.m3er.tables import Tables
from edge.perceive.tokens import Vocabulary
from edge.reading import MODALITIES, Modality
from export.convert.bundle_nets import encoder_samples
from export.convert.onnx_file import file_outputs
from export.corpora.emotions import EMOTIONS
from export.corpora.everything import Corpora
from export.corpora.paired import PairedSteps
from export.evaluate.scores import (
    calibration_error,
    classifier_scores,
    fit_temperature,
    run_moments,
    without,
)
from export.fit.fit_tables import CHECK_WINDOW_STEPS, NEIGHBOURS, standardised
from export.nets.encoder_training import EncoderTask
from export.nets.fusion import STATE_SIZES

UNKNOWN_SHARE = 0.10
"""``unknown`` is said below the confidence of the least confident tenth of clean validation moments."""


@dataclass(frozen=True)
class Files:
    """The net files of a bundle in the making, and the ridge of its proxies."""

    paths: Mapping[str, Path]
    ridge: float

    def fusion(self, temperature: float) -> FusionStep:
        """The device's fusion step over the file."""
        return FusionStep(OnnxEngine(self.paths["fusion"]), STATE_SIZES, temperature)


def encoder_metrics(
    files: Files, encoders: Mapping[Modality, EncoderTask], corpora: Corpora, vocabulary: Vocabulary
) -> dict[str, Any]:
    """Each encoder's file with its training head, on the test split."""

    def guesses(m: Modality) -> NDArray[np.int64]:
        features = file_outputs(files.paths[m], encoder_samples(m, corpora, vocabulary, "test", None))
        head = encoders[m].head
        logits = features @ head.weight.detach().numpy().T + head.bias.detach().numpy()
        guess: NDArray[np.int64] = logits.argmax(axis=1)
        return guess

    faces = corpora.faces["test"]
    metrics: dict[str, Any] = {"face": {"FER+ PrivateTest": classifier_scores(faces.labels, guesses("face"))}}
    recordings, heard = corpora.recordings["test"], guesses("speech")
    metrics["speech"] = {}
    for dataset, title in (("crema", "CREMA-D"), ("ravdess", "RAVDESS")):
        here = np.array([r.dataset == dataset for r in recordings])
        if not here.any():
            continue
        intended = np.array([EMOTIONS.index(r.intended) for r in recordings])
        people = len({r.speaker for r in recordings if r.dataset == dataset})
        metrics["speech"][f"{title}, intended, {people} speakers"] = classifier_scores(intended[here], heard[here])
        if dataset == "crema":
            voted = np.stack([r.voice_votes for r in recordings]).argmax(axis=1)
            metrics["speech"]["CREMA-D, listeners' majority"] = classifier_scores(voted[here], heard[here])
    utterances, read = corpora.utterances["test"], guesses("text")
    metrics["text"] = {}
    for dataset in ("MELD", "DailyDialog", "GoEmotions"):
        here = np.array([u.dataset == dataset for u in utterances])
        truth = np.array([EMOTIONS.index(u.emotion) for u in utterances])
        if here.any():
            metrics["text"][f"{dataset} test"] = classifier_scores(truth[here], read[here])
    return metrics


def calibrated(files: Files, tables: Tables, validation: PairedSteps) -> tuple[Tables, float]:
    """The tables with their temperature, and the confidence below which a reading says ``unknown``."""
    raw, _ = _run(files, tables, validation, validation.present, check=False)
    temperature = fit_temperature(np.log(np.maximum(raw, 1e-9)), validation.labels.argmax(axis=1))
    tables = replace(tables, temperature=temperature)
    probabilities, _ = _run(files, tables, validation, validation.present, check=True)
    return tables, float(np.quantile(probabilities.max(axis=1), UNKNOWN_SHARE))


def fusion_metrics(files: Files, tables: Tables, test: PairedSteps) -> dict[str, Any]:
    """The whole step on vote-matched test moments: clean, and with modalities missing."""
    truth = test.labels.argmax(axis=1)
    rows: dict[str, Any] = {}
    for name, missing, check in (
        ("clean, no check", [], False),
        ("clean", [], True),
        ("no face", ["face"], True),
        ("no speech", ["speech"], True),
        ("no text", ["text"], True),
        ("face only", ["speech", "text"], True),
        ("speech only", ["face", "text"], True),
        ("text only", ["face", "speech"], True),
    ):
        gone: list[Modality] = [m for m in MODALITIES if m in missing]
        probabilities, dropped = _run(files, tables, test, without(test.present, gone), check)
        rows[name] = {
            **classifier_scores(truth, probabilities.argmax(axis=1)),
            "calibration_error": round(calibration_error(probabilities, truth), 4),
            "dropped_by_check": round(dropped, 4),
        }
    return rows


def _run(
    files: Files, tables: Tables, pairs: PairedSteps, present: NDArray[np.bool_], check: bool
) -> tuple[NDArray[np.float32], float]:
    return run_moments(
        standardised(tables, pairs),
        present,
        ModalityCheck(tables, CHECK_WINDOW_STEPS, 0.0) if check else None,
        ProxyTable(tables, NEIGHBOURS, files.ridge),
        files.fusion(tables.temperature),
    )
