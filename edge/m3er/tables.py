"""The numbers that the method needs beside the nets: ``tables.safetensors`` of a bundle, checked and named."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.reading import MODALITIES, PAIRS, Modality, pair_name

Array = NDArray[np.float32]

_LARGEST = 1e6
"""No table of a trained model comes near; beyond it float32 overflows on the way to a reading."""


class MalformedTables(ValueError):
    """A table is missing, of another shape than the rest, or holds NaN or infinity. Says which."""


@dataclass(frozen=True)
class Tables:
    """Standardisation, density, canonical projections, basis and calibration.

    With dim the features' length, r the canonical dimensions and k the basis rows:

    Attributes:
        mean, scale: per modality (dim,): standardised f = (encoder's output - mean) / scale.
        whiten: per modality (dim, dim): density of f is the mean square of ``whiten @ f``.
        density_limit: per modality: above it f lies outside the training cloud.
        damage: per modality (dim + 1,): weights of f and a constant; their sum is above 0 where f looks like damage.
        projection: per (i, j) in both orders (r, dim): H_ij, which takes f_i to the space it shares with j.
        threshold: per pair: tau_ij, the least correlation of two modalities that tell of the same thing.
        basis: per modality (k, dim); row n of one modality is paired with row n of the others.
        proxy_weight: per (from j, to i): how well proxies of i made from j did on validation, above 0.
        temperature: (3,), divides the joint logits before the softmax, where one, two or three modalities are live.
    """

    mean: dict[Modality, Array]
    scale: dict[Modality, Array]
    whiten: dict[Modality, Array]
    density_limit: dict[Modality, float]
    damage: dict[Modality, Array]
    projection: dict[tuple[Modality, Modality], Array]
    threshold: dict[str, float]
    basis: dict[Modality, Array]
    proxy_weight: dict[tuple[Modality, Modality], float]
    temperature: Array

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return len(self.mean["face"])

    def standardise(self, modality: Modality, feature: NDArray[np.floating]) -> Array:
        """An encoder's output (..., dim) on the scale that all tables use."""
        out: Array = ((feature - self.mean[modality]) / self.scale[modality]).astype(np.float32)
        return out

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "Tables":
        """Named arrays, as stored, to tables. Raises MalformedTables."""
        left = dict(arrays)

        def take(name: str, *shape: int) -> Array:
            if name not in left:
                raise MalformedTables(f"{name} is missing")
            array = left.pop(name)
            if len(shape) != array.ndim or any(s not in (-1, n) for s, n in zip(shape, array.shape, strict=True)):
                raise MalformedTables(f"{name} has shape {array.shape}, expected {shape}")
            values: Array = array.astype(np.float32)
            if not np.isfinite(values).all():
                raise MalformedTables(f"{name} holds NaN or infinity")
            if np.abs(values).max(initial=0.0) > _LARGEST:
                raise MalformedTables(f"{name} holds values beyond {_LARGEST:g}")
            return np.ascontiguousarray(values)

        def positive(name: str, *shape: int) -> Array:
            values = take(name, *shape)
            if (values < 1 / _LARGEST).any():
                raise MalformedTables(f"{name} must be above 0")
            return values

        mean = {m: take(f"standardise.{m}.mean", -1) for m in MODALITIES}
        dim = len(mean["face"])
        both_ways = [(i, j) for a, b in PAIRS for i, j in ((a, b), (b, a))]
        tables = cls(
            mean=mean,
            scale={m: positive(f"standardise.{m}.scale", dim) for m in MODALITIES},
            whiten={m: take(f"density.{m}.whiten", dim, dim) for m in MODALITIES},
            density_limit={m: float(positive(f"density.{m}.limit", 1)[0]) for m in MODALITIES},
            damage={m: take(f"damage.{m}", dim + 1) for m in MODALITIES},
            projection={(i, j): take(f"cca.{i}.{j}", -1, dim) for i, j in both_ways},
            threshold={pair_name(i, j): float(take(f"cca.{i}-{j}.threshold", 1)[0]) for i, j in PAIRS},
            basis={m: take(f"basis.{m}.rows", -1, dim) * positive(f"basis.{m}.scale", 1) for m in MODALITIES},
            proxy_weight={(j, i): float(positive(f"proxy.{j}.{i}.weight", 1)[0]) for i, j in both_ways},
            temperature=positive("calibration.temperature", len(MODALITIES)),
        )
        if left:
            raise MalformedTables(f"unknown table(s) {', '.join(sorted(left))}")
        for i, j in PAIRS:
            if len(tables.projection[i, j]) != len(tables.projection[j, i]) or len(tables.projection[i, j]) < 2:
                raise MalformedTables(f"cca.{i}.{j} and cca.{j}.{i} must share at least 2 canonical dimensions")
        if len({len(rows) for rows in tables.basis.values()}) != 1 or len(tables.basis["face"]) == 0:
            raise MalformedTables("basis.*.rows must have the same number of rows, at least 1")
        if any(len(values) != dim for values in mean.values()):
            raise MalformedTables("standardise.*.mean must have the same length")
        return tables

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The form that is stored; the basis as int8 with one scale a modality."""
        one = {
            **{f"density.{m}.limit": limit for m, limit in self.density_limit.items()},
            **{f"cca.{pair}.threshold": tau for pair, tau in self.threshold.items()},
            **{f"proxy.{j}.{i}.weight": weight for (j, i), weight in self.proxy_weight.items()},
        }
        arrays: dict[str, NDArray[np.generic]] = {name: np.array([value], np.float32) for name, value in one.items()}
        arrays["calibration.temperature"] = self.temperature
        for m in MODALITIES:
            arrays[f"damage.{m}"] = self.damage[m]
            arrays[f"standardise.{m}.mean"] = self.mean[m]
            arrays[f"standardise.{m}.scale"] = self.scale[m]
            arrays[f"density.{m}.whiten"] = self.whiten[m]
            scale = float(np.abs(self.basis[m]).max()) / 127.0
            arrays[f"basis.{m}.rows"] = np.round(self.basis[m] / scale).astype(np.int8)
            arrays[f"basis.{m}.scale"] = np.array([scale], np.float32)
        for (i, j), rows in self.projection.items():
            arrays[f"cca.{i}.{j}"] = rows
        # safetensors writes an array's memory as it lies: a transposed view would come back scrambled
        return {name: np.ascontiguousarray(array) for name, array in arrays.items()}
