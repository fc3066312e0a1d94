"""The encoders' own heads and learning curves, kept in the bundle beside what the device needs: for scoring alone."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from edge.errors import M3erError
from edge.reading import Modality
from export.nets.encoder_training import CURVE, EncoderTask

HEADS = "heads.safetensors"
Array = NDArray[np.float32]


def heads_file(encoders: Mapping[Modality, EncoderTask]) -> bytes:
    """``<modality>/<head>/weight`` and ``/bias`` of each emotion head, and ``<modality>/curve``."""
    arrays: dict[str, Array] = {}
    for m, task in encoders.items():
        arrays[f"{m}/curve"] = task.curve.numpy()
        for name, values in task.heads.state_dict().items():  # "<head>.weight", "<head>.bias"
            arrays["/".join((m, *name.rsplit(".", 1)))] = values.numpy()
    return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


class Heads:
    """A bundle's heads, read back."""

    def __init__(self, bundle: Path) -> None:
        """Raises M3erError if the bundle has none: then its encoders cannot be scored alone."""
        path = bundle / HEADS
        try:
            self._arrays: dict[str, Array] = safetensors.numpy.load(path.read_bytes())
        except (OSError, safetensors.SafetensorError) as error:
            raise M3erError(f"{path}: cannot be read ({error}); make the bundle anew with m3er-export bundle") from None

    def logits(self, modality: Modality, head: str, features: Array) -> Array:
        """Of an encoder's features (n, dim), as its file gives them: (n, classes)."""
        weight = self._arrays[f"{modality}/{head}/weight"]
        logits: Array = features[:, : weight.shape[1]] @ weight.T + self._arrays[f"{modality}/{head}/bias"]
        return logits

    def curve(self, modality: Modality) -> dict[str, list[float]]:
        """The encoder's learning curve, a list per column of CURVE."""
        return {name: column.tolist() for name, column in zip(CURVE, self._arrays[f"{modality}/curve"].T, strict=True)}
