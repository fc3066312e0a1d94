"""``selftest.safetensors`` of a bundle: inputs of each net, and what each of its files must answer.

    input.NET.NAME                          (n, …) one net's inputs; float16 where the net wants float32
    expected.NET.ENGINE.PRECISION.OUTPUT    (n, …) what that file answers
    sequence.feature.MODALITY               (steps, dim) standardised features; zeros where absent
    sequence.present, sequence.quality      (steps, 3) in the order of MODALITIES
    sequence.effectual                      (steps, 3) 1 where the check trusts the modality
    sequence.whole                          (steps, 3, dim) what the fusion step is given: features, and proxies
    sequence.probabilities.ENGINE.PRECISION (steps, classes) the outcome, for each file of the fusion net

Inputs are float16 for size: whoever makes the file computes the expected outputs from the rounded inputs, so nothing
is lost by it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from edge.bundle import NETS, SELFTEST, Bundle, NetName, NetVariant
from edge.errors import M3erError
from edge.nets import INPUT_DTYPES, output_shapes
from edge.reading import MODALITIES, Modality

Array = NDArray[Any]

_REMEDY = "get the bundle again, or write it anew with `m3er-export self-test`"
_LARGEST = 1e6
"""No feature of a trained model comes near; beyond it float32 overflows on the way to a reading."""


@dataclass(frozen=True)
class Sequence:
    """Steps after perception, as they come to the check.

    Attributes:
        features: per modality float32 (steps, dim), standardised; zeros where absent.
        present: bool (steps, 3), in the order of MODALITIES.
        quality: float32 (steps, 3), the sensors' own opinion, 0..1.
    """

    features: Mapping[Modality, NDArray[np.float32]]
    present: NDArray[np.bool_]
    quality: NDArray[np.float32]


@dataclass(frozen=True)
class Outcome:
    """What a sequence leads to.

    Attributes:
        effectual: bool (steps, 3), which modalities the check trusts.
        whole: float32 (steps, 3, dim), what the fusion step is given; zeros where nothing is effectual.
        probabilities: per file of the fusion net, by :func:`variant_name`: float32 (steps, classes).
    """

    effectual: NDArray[np.bool_]
    whole: NDArray[np.float32]
    probabilities: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class StoredSelfTest:
    """Inputs and expected outputs.

    Attributes:
        inputs: per net and input, (n, …).
        expected: per file of a net, by :func:`variant_name`, and output, float32 (n, …).
        sequence, outcome: of the way from the check to the probabilities.
    """

    inputs: Mapping[NetName, Mapping[str, Array]]
    expected: Mapping[str, Mapping[str, NDArray[np.float32]]]
    sequence: Sequence
    outcome: Outcome


def variant_name(variant: NetVariant) -> str:
    """``face.litert.int8``: the file's name without folder and ending."""
    return f"{variant.net}.{variant.engine}.{variant.precision}"


def read_stored(bundle: Bundle) -> StoredSelfTest:
    """A bundle's stored self-test. Raises M3erError: it holds none, or one that is malformed or of another bundle."""
    path = bundle.folder / SELFTEST
    if SELFTEST not in bundle.manifest.files:
        raise M3erError(f"{path}: the bundle holds no self-test; {_REMEDY}")
    try:
        return _Reader(bundle, safetensors.numpy.load(path.read_bytes())).read()
    except _Malformed as error:
        raise M3erError(f"{path}: {error}; {_REMEDY}") from None
    except safetensors.SafetensorError as error:
        raise M3erError(f"{path}: not a self-test ({error}); {_REMEDY}") from None
    except KeyError as error:  # safetensors knows number types that numpy lacks
        raise M3erError(f"{path}: holds numbers of type {error}; {_REMEDY}") from None
    except OSError as error:
        raise M3erError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from None


def to_bytes(stored: StoredSelfTest) -> bytes:
    """The content of :data:`edge.bundle.SELFTEST`."""
    arrays: dict[str, Array] = {}
    for net, inputs in stored.inputs.items():
        for name, array in inputs.items():
            arrays[f"input.{net}.{name}"] = array.astype(np.float16) if array.dtype == np.float32 else array
    for variant, outputs in stored.expected.items():
        arrays |= {f"expected.{variant}.{name}": array for name, array in outputs.items()}
    sequence, outcome = stored.sequence, stored.outcome
    arrays |= {f"sequence.feature.{m}": array for m, array in sequence.features.items()}
    arrays["sequence.present"] = sequence.present.astype(np.uint8)
    arrays["sequence.quality"] = sequence.quality
    arrays["sequence.effectual"] = outcome.effectual.astype(np.uint8)
    arrays["sequence.whole"] = outcome.whole
    for variant, array in outcome.probabilities.items():
        arrays[f"sequence.probabilities.{variant.removeprefix('fusion.')}"] = array
    return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def only_of(stored: StoredSelfTest, variants: Iterable[NetVariant]) -> StoredSelfTest:
    """Without what concerns other files than these."""
    names = {variant_name(variant) for variant in variants}
    kept = {name: array for name, array in stored.outcome.probabilities.items() if name in names}
    return replace(
        stored,
        expected={name: outputs for name, outputs in stored.expected.items() if name in names},
        outcome=replace(stored.outcome, probabilities=kept),
    )


class _Malformed(ValueError):
    pass


class _Reader:
    """Takes array after array, each checked against the bundle."""

    def __init__(self, bundle: Bundle, arrays: Mapping[str, Array]) -> None:
        self._bundle = bundle
        self._left = dict(arrays)

    def read(self) -> StoredSelfTest:
        manifest = self._bundle.manifest
        inputs, expected = {}, {}
        for net in NETS:
            inputs[net] = self._inputs(net)
            rows = len(next(iter(inputs[net].values())))
            for variant in self._bundle.variants(net):
                name = variant_name(variant)
                expected[name] = {
                    output: self._floats(f"expected.{name}.{output}", rows, *shape[1:])
                    for output, shape in output_shapes(self._bundle, net).items()
                }
        present = self._flags("sequence.present", -1, len(MODALITIES))
        steps, dim, classes = len(present), manifest.dim, len(manifest.labels)
        if not steps:
            raise _Malformed("sequence.present has no step")
        sequence = Sequence(
            {m: self._floats(f"sequence.feature.{m}", steps, dim) for m in MODALITIES},
            present,
            self._floats("sequence.quality", steps, len(MODALITIES)),
        )
        probabilities = {
            variant_name(v): self._floats(f"sequence.probabilities.{v.engine}.{v.precision}", steps, classes)
            for v in self._bundle.variants("fusion")
        }
        outcome = Outcome(
            self._flags("sequence.effectual", steps, len(MODALITIES)),
            self._floats("sequence.whole", steps, len(MODALITIES), dim),
            probabilities,
        )
        if (outcome.effectual & ~present).any():
            raise _Malformed("sequence.effectual trusts a modality that is not present")
        if self._left:
            raise _Malformed(f"unknown array(s) {', '.join(sorted(self._left))}")
        return StoredSelfTest(inputs, expected, sequence, outcome)

    def _inputs(self, net: NetName) -> dict[str, Array]:
        """One net's inputs, as the engines want them; all with the same number of rows, at least 2."""
        inputs, rows = {}, -1
        for name, shape in self._bundle.net(net).inputs.items():
            key = f"input.{net}.{name}"
            if name in INPUT_DTYPES:
                array = self._take(key, rows, *shape[1:])
                if array.dtype != INPUT_DTYPES[name]:
                    raise _Malformed(f"{key} holds {array.dtype}, expected {np.dtype(INPUT_DTYPES[name])}")
                if array.size and not 0 <= int(array.min()) <= int(array.max()) < len(self._bundle.vocabulary):
                    raise _Malformed(f"{key} holds words that the vocabulary lacks")
            else:
                array = self._floats(key, rows, *shape[1:])
            inputs[name], rows = array, len(array)
        if rows < 2:
            raise _Malformed(f"input.{net} has {rows} rows, at least 2 are needed to tell answers apart")
        return inputs

    def _take(self, name: str, *shape: int) -> Array:
        """An array of this shape, -1 for any length."""
        if name not in self._left:
            raise _Malformed(f"{name} is missing")
        array = self._left.pop(name)
        if len(shape) != array.ndim or any(s not in (-1, n) for s, n in zip(shape, array.shape, strict=True)):
            raise _Malformed(f"{name} has shape {array.shape}, expected {shape}")
        return array

    def _floats(self, name: str, *shape: int) -> NDArray[np.float32]:
        array = self._take(name, *shape)
        if array.dtype.kind != "f":
            raise _Malformed(f"{name} holds {array.dtype}, expected floats")
        wide = array.astype(np.float64)  # float16 knows no _LARGEST
        if not (np.abs(wide) <= _LARGEST).all():  # NaN is not
            raise _Malformed(f"{name} holds NaN, infinity or values beyond {_LARGEST:g}")
        return wide.astype(np.float32)

    def _flags(self, name: str, *shape: int) -> NDArray[np.bool_]:
        array = self._take(name, *shape)
        if array.dtype != np.uint8 or not (array <= 1).all():
            raise _Malformed(f"{name} must be uint8, 0 or 1")
        return array.astype(np.bool_)
