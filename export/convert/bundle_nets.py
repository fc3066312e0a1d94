"""The four nets of a bundle as files, with calibration and parity on real inputs of people not trained on."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge.perceive.face_crop import face_input
from edge.perceive.tokens import Vocabulary
from edge.reading import MODALITIES, Modality
from export.convert.choose import convert
from export.convert.onnx_file import Sample
from export.corpora.everything import Corpora
from export.corpora.speech_examples import window
from export.corpora.text_examples import tokens_of
from export.nets.encoder_training import EncoderTask
from export.nets.fusion import STATE_SIZES, FusionStep

CALIBRATION = 200
VALIDATION = 300


def encoder_samples(
    modality: Modality, corpora: Corpora, vocabulary: Vocabulary, split: str, most: int | None
) -> list[Sample]:
    """Inputs of an encoder from one split, spread evenly over it; all of them where `most` is None."""
    if modality == "face":
        images = corpora.faces[split].images
        return [{"face": face_input(images[i][None])} for i in _spread(len(images), most)]
    if modality == "speech":
        recordings = corpora.recordings[split]
        return [{"log_mel": window(r, r.end)[None]} for r in (recordings[i] for i in _spread(len(recordings), most))]
    utterances = corpora.utterances[split]
    return [{"tokens": tokens_of([utterances[i]], vocabulary)} for i in _spread(len(utterances), most)]


def _spread(total: int, most: int | None) -> NDArray[np.int64]:
    return np.arange(total) if most is None else np.linspace(0, total - 1, min(most, total)).astype(np.int64)


def fusion_samples(features: Mapping[Modality, NDArray[np.float32]], fusion: FusionStep, most: int) -> list[Sample]:
    """Inputs of the fusion step with the states that it really reaches, from moments (n, steps, dim)."""
    samples: list[Sample] = []
    n, steps, _ = features["face"].shape
    state = {name: np.zeros((1, size), np.float32) for name, size in STATE_SIZES.items()}
    for k in range(min(most, n * steps)):
        sample: Sample = {m: features[m][k // steps, k % steps][None] for m in MODALITIES}
        sample |= state
        samples.append(sample)
        with torch.no_grad():
            after = fusion(*(torch.from_numpy(array) for array in sample.values()))[2:]
        state = dict(zip(STATE_SIZES, (tensor.numpy() for tensor in after), strict=True))
    return samples


def convert_nets(
    encoders: Mapping[Modality, EncoderTask],
    fusion: FusionStep,
    corpora: Corpora,
    vocabulary: Vocabulary,
    moments: Mapping[Modality, NDArray[np.float32]],
    folder: Path,
) -> list[dict[str, object]]:
    """Write one file a net into `folder`; returns the manifest's entries.

    Args:
        moments: standardised validation features, per modality (n, steps, dim), for the fusion step.
    """
    found: list[tuple[str, nn.Module, list[Sample], list[Sample], list[str]]] = []
    for m in MODALITIES:
        calibration = encoder_samples(m, corpora, vocabulary, "matching", CALIBRATION)
        validation = encoder_samples(m, corpora, vocabulary, "validation", VALIDATION)
        found.append((m, encoders[m].encoder, calibration, validation, ["feature"]))
    steps = fusion_samples(moments, fusion, CALIBRATION + VALIDATION)
    outputs = ["joint_logits", "modality_logits", *(f"next_{name}" for name in STATE_SIZES)]
    found.append(("fusion", fusion, steps[:CALIBRATION], steps[CALIBRATION:], outputs))
    entries: list[dict[str, object]] = []
    for name, net, calibration, validation, names in found:
        chosen = convert(name, net, calibration, validation, names, folder)
        entries.append(
            {
                "net": name,
                "engine": "onnx",
                "precision": chosen.precision,
                "file": f"nets/{chosen.path.name}",
                "inputs": {key: list(array.shape) for key, array in validation[0].items()},
                "parity": chosen.parity,
            }
        )
    return entries
