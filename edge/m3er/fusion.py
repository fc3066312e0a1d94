"""The fusion step: one recurrent step over three features, its state explicit, so that it costs the same for ever."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.engines.engine import Engine
from edge.reading import MODALITIES, Modality

STATE = ("hidden", "cell", "memory")
"""The fusion net takes these as inputs and returns them as ``next_*``."""


@dataclass(frozen=True)
class Fused:
    """Outcome of a step: float32 (classes,) of the joint head, calibrated, and of each modality's own head."""

    probabilities: NDArray[np.float32]
    by_modality: dict[Modality, NDArray[np.float32]]


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax over the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    out: NDArray[np.float32] = raised / raised.sum(axis=-1, keepdims=True)
    return out


class FusionStep:
    """Holds the recurrent state between steps."""

    def __init__(self, engine: Engine, state_sizes: Mapping[str, int], temperature: NDArray[np.float32]) -> None:
        """
        Args:
            engine: runs the fusion net.
            state_sizes: length of each of STATE.
            temperature: calibration, (3,): divides the joint logits where one, two or three modalities are live.
        """
        self._engine = engine
        self._sizes = dict(state_sizes)
        self._temperature = temperature
        self.reset()

    def reset(self) -> None:
        """Forget what was seen and heard."""
        self._state = {name: np.zeros((1, self._sizes[name]), np.float32) for name in STATE}

    def step(self, features: Mapping[Modality, NDArray[np.float32]], live: int) -> Fused:
        """One step with a standardised feature (dim,), live or proxy, for every modality; `live` of them live."""
        inputs: dict[str, NDArray[np.float32]] = {
            m: features[m].astype(np.float32, copy=False)[None] for m in MODALITIES
        }
        outputs = self._engine.run(inputs | self._state)
        self._state = {name: outputs[f"next_{name}"] for name in STATE}
        own = softmax(outputs["modality_logits"][0])
        return Fused(
            softmax(outputs["joint_logits"][0] / self._temperature[live - 1]), dict(zip(MODALITIES, own, strict=True))
        )
