"""The four nets of a bundle as files, with calibration and parity on real inputs of people not trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge.bundle import NetName, NetVariant
from edge.engines.onnx_engine import OnnxEngine
from edge.perceive.face_crop import face_input
from edge.perceive.tokens import Vocabulary
from edge.reading import MODALITIES, Modality
from export.convert.choose import convert
from export.convert.onnx_file import Sample
from export.corpora.everything import Corpora
from export.corpora.speech_examples import window
from export.corpora.text_examples import tokens_of
from export.corpora.vote_matched import Encode
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
    return [{"tokens": tokens_of([utterances[i]], vocabulary, marks=False)} for i in _spread(len(utterances), most)]


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


def convert_encoders(
    encoders: Mapping[Modality, EncoderTask], corpora: Corpora, vocabulary: Vocabulary, folder: Path
) -> list[NetVariant]:
    """Write one file an encoder into `folder`; returns the manifest's entries."""
    return [
        _variant(
            m,
            encoders[m].encoder,
            encoder_samples(m, corpora, vocabulary, "matching", CALIBRATION),
            encoder_samples(m, corpora, vocabulary, "validation", VALIDATION),
            ["feature"],
            folder,
        )
        for m in MODALITIES
    ]


def convert_fusion(fusion: FusionStep, moments: Mapping[Modality, NDArray[np.float32]], folder: Path) -> NetVariant:
    """Write the fusion step's file into `folder`; returns the manifest's entry.

    Args:
        moments: standardised validation features, per modality (n, steps, dim).
    """
    steps = fusion_samples(moments, fusion, CALIBRATION + VALIDATION)
    outputs = ["joint_logits", "modality_logits", *(f"next_{name}" for name in STATE_SIZES)]
    cut = len(steps) * CALIBRATION // (CALIBRATION + VALIDATION)
    return _variant("fusion", fusion, steps[:cut], steps[cut:], outputs, folder)


def encode_file(path: Path) -> Encode:
    """An encoder's file as a function over many ready inputs."""
    engine = OnnxEngine(path)
    (name,) = engine.inputs

    def encode(inputs: NDArray[Any]) -> NDArray[np.float32]:
        return np.stack([engine.run({name: one[None]})["feature"][0] for one in inputs])

    return encode


def _variant(
    name: NetName,
    net: nn.Module,
    calibration: list[Sample],
    validation: list[Sample],
    outputs: list[str],
    folder: Path,
) -> NetVariant:
    chosen = convert(name, net, calibration, validation, outputs, folder)
    return NetVariant(
        net=name,
        engine="onnx",
        precision=chosen.precision,
        file=f"nets/{chosen.path.name}",
        inputs={key: list(array.shape) for key, array in validation[0].items()},
        parity=chosen.parity,
    )
