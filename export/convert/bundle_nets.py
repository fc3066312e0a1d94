"""The four nets of a bundle as files: calibrated, and proven on real inputs of people not trained on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge.bundle import NetVariant
from edge.engines.engine import Engine, open_engine
from edge.perceive.face_crop import face_input
from edge.perceive.tokens import Vocabulary
from edge.reading import MODALITIES, Modality
from export.convert.parity import Answers, Proof
from export.convert.sample import Sample
from export.convert.variants import write_variants
from export.corpora.everything import Corpora
from export.corpora.speech_examples import window
from export.corpora.text_examples import tokens_of
from export.corpora.vote_matched import Encode
from export.nets.encoder import EMOTION
from export.nets.encoder_training import EncoderTask
from export.nets.encoders import examples
from export.nets.fusion import STATE_SIZES, FusionStep

CALIBRATION = 200
VALIDATION = 500
_SCORED = 3_000
"""Most validation inputs that an encoder's end task is scored on."""


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
    """Write every variant of the encoders into `folder`; returns the manifest's entries, the fastest of a net first."""
    return [
        variant
        for m in MODALITIES
        for variant in write_variants(
            m,
            encoders[m].encoder,
            encoder_samples(m, corpora, vocabulary, "matching", CALIBRATION),
            encoder_proof(m, encoders[m], corpora, vocabulary),
            ["feature"],
            folder,
        )
    ]


def encoder_proof(modality: Modality, task: EncoderTask, corpora: Corpora, vocabulary: Vocabulary) -> Proof:
    """An encoder is for telling emotions: accuracy of its first head on validation."""
    samples = encoder_samples(modality, corpora, vocabulary, "validation", VALIDATION)
    (name,) = samples[0]
    validation = examples(modality, corpora, vocabulary, "validation")
    head, target = next(iter(validation.targets.items()))
    weight, bias = (values.detach().numpy() for values in task.heads[head].parameters())
    labelled = np.flatnonzero(target.weights > 0)
    labelled = labelled[_spread(len(labelled), _SCORED)]
    truth = target.labels[labelled].argmax(axis=1)
    inputs = validation.make_inputs(labelled, None)

    def top1(features: NDArray[np.float32]) -> NDArray[np.int64]:
        guess: NDArray[np.int64] = (features[:, :EMOTION] @ weight.T + bias).argmax(axis=1)
        return guess

    def score(engine: Engine) -> float:
        features = np.concatenate([engine.run({name: one[None]})["feature"] for one in inputs])
        return float((top1(features) == truth).mean())

    return Proof(samples, lambda a: top1(a["feature"]), f"accuracy of {head} on {len(truth)} of validation", score)


def convert_fusion(
    fusion: FusionStep, moments: Mapping[Modality, NDArray[np.float32]], score: Callable[[Engine], float], folder: Path
) -> list[NetVariant]:
    """Write every variant of the fusion step into `folder`; returns the manifest's entries, the fastest first.

    Args:
        moments: standardised validation features, per modality (n, steps, dim).
        score: of the whole step with an engine for the fusion: accuracy on validation.
    """
    steps = fusion_samples(moments, fusion, CALIBRATION + VALIDATION)
    outputs = ["joint_logits", "modality_logits", *(f"next_{name}" for name in STATE_SIZES)]
    cut = len(steps) * CALIBRATION // (CALIBRATION + VALIDATION)

    def top1(answers: Answers) -> NDArray[np.int64]:
        guess: NDArray[np.int64] = answers["joint_logits"].argmax(axis=1)
        return guess

    proof = Proof(steps[cut:], top1, "accuracy of the whole step on validation", score)
    return write_variants("fusion", fusion, steps[:cut], proof, outputs, folder)


def encode_file(path: Path) -> Encode:
    """An encoder's file as a function over many ready inputs."""
    engine = open_engine(path)
    (name,) = engine.inputs

    def encode(inputs: NDArray[Any]) -> NDArray[np.float32]:
        return np.stack([engine.run({name: one[None]})["feature"][0] for one in inputs])

    return encode
