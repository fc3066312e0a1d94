"""Does a net's file answer as the net that it was made from: compared on real inputs, and by what the net is for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge.engines.engine import Arrays, Engine
from edge.errors import M3erError
from export.convert.sample import Sample

Answers = Mapping[str, NDArray[np.float32]]
"""Outputs by name over many inputs, float32 (n, …)."""


@dataclass(frozen=True)
class Proof:
    """What a net's files are judged by.

    Attributes:
        samples: real inputs of people that nothing was trained on.
        top1: the class that answers tell, (n,).
        task: what `score` measures, e.g. ``FER+ validation, accuracy``.
        score: how well an engine does what the net is for, 0..1, on all of validation.
    """

    samples: list[Sample]
    top1: Callable[[Answers], NDArray[np.int64]]
    task: str
    score: Callable[[Engine], float]


@dataclass(frozen=True)
class Parity:
    """How a file compares with the one it was made from.

    Attributes:
        cosine_worst, cosine_median: over samples, of centred cosines; of a net with several outputs the worst output's.
        error_over_spread: the greatest absolute difference over the reference's standard deviation.
        top1_agreement: share of samples with the same class.
        score: of the end task; `score_lost`: the reference's minus this.
    """

    cosine_worst: float
    cosine_median: float
    error_over_spread: float
    top1_agreement: float
    score: float
    score_lost: float


class TorchEngine:
    """A torch net behind the engines' protocol, so that one comparison serves all."""

    def __init__(self, net: nn.Module, inputs: list[str], outputs: list[str]) -> None:
        self.name = "torch"
        self.inputs = inputs
        self._net, self._outputs = net.eval(), outputs

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """See :class:`edge.engines.engine.Engine`."""
        with torch.no_grad():
            answer = self._net(*(torch.from_numpy(inputs[name]) for name in self.inputs))
        values = answer if isinstance(answer, tuple) else (answer,)
        return {name: value.numpy() for name, value in zip(self._outputs, values, strict=True)}


@dataclass(frozen=True)
class Observed:
    """What an engine answers to a proof's samples, and its score of the end task."""

    answers: Answers
    score: float


def observe(engine: Engine, proof: Proof) -> Observed:
    """Run an engine over all that it is judged by. Raises M3erError if it fails, or answers NaN or infinity."""
    try:
        rows = [engine.run(sample) for sample in proof.samples]
    except Exception as error:  # noqa: BLE001 - the engines' own exceptions share no narrower base
        raise M3erError(f"cannot be run ({str(error).splitlines()[0]})") from None
    answers = {name: np.stack([row[name][0] for row in rows]) for name in rows[0]}
    for name, values in answers.items():
        if not np.isfinite(values).all():
            raise M3erError(f"answers NaN or infinity in {name}")
    return Observed(answers, proof.score(engine))


def parity(reference: Observed, found: Observed, proof: Proof) -> Parity:
    """Compare what two engines answered."""
    truth, other = reference.answers, found.answers
    cosines = [centred_cosine(truth[name], other[name]) for name in truth]
    errors = [np.abs(truth[name] - other[name]).max() / max(float(truth[name].std()), 1e-9) for name in truth]
    return Parity(
        cosine_worst=min(float(c.min()) for c in cosines),
        cosine_median=min(float(np.median(c)) for c in cosines),
        error_over_spread=float(max(errors)),
        top1_agreement=float((proof.top1(truth) == proof.top1(other)).mean()),
        score=found.score,
        score_lost=reference.score - found.score,
    )


def centred_cosine(reference: NDArray[np.float32], outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Per sample (n,), after the reference's mean answer was taken from both: with it every answer looks alike."""
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (reference, outputs))
    centre = a.mean(axis=0)
    a, b = a - centre, b - centre
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine: NDArray[np.float64] = (a * b).sum(axis=1) / np.maximum(lengths, 1e-12)
    return cosine
