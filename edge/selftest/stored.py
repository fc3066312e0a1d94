"""Does a bundle answer on this machine as on the one that made it? Its stored inputs, against the stored answers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle import NETS, Bundle, NetVariant
from edge.engines.engine import Arrays, Engine, Precision, Provider
from edge.errors import M3erError
from edge.nets import chosen, open_variant
from edge.selftest.method import check_and_proxies, fuse
from edge.selftest.stored_file import StoredSelfTest, read_stored, variant_name
from edge.settings.settings import NetChoice, Settings

# What an answer may differ by. Measured with `make test-arm64` (x86-64 without VNNI against Cortex-A53, A72 and A76
# under qemu, Debian 12 and 13): fp32 1e-6, int8 6e-7 (on the A76, which has dot products, 6e-4), the method 6e-8,
# probabilities 3e-7. For comparison: int8 itself is 0.03 to 0.37 from fp32, and products that saturate (see
# edge.engines.onnx_engine) were 0.02 to 0.73 off.
_NET_TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "int8": 0.05}
_PROXY_TOLERANCE = 1e-3
_PROBABILITY_TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "int8": 0.02}
_ACCELERATOR_TOLERANCE = 0.05
"""CUDA and TensorRT multiply floats with fewer bits (TF32: 10). Not measured: no Jetson was here."""


@dataclass(frozen=True)
class Result:
    """One comparison.

    Attributes:
        name: ``face.litert.int8``: a net's file; ``check``, ``proxies``: the method; ``whole way, fusion.onnx.fp32``.
        difference: the worst: of features in spreads that they had in training, of the fusion net's and the proxies'
            answers in their own, of the whole way in probability, of the check in steps that it judges otherwise.
        tolerance: what it may be.
        failure: why there is no answer to compare; empty where there is one.
    """

    name: str
    difference: float
    tolerance: float
    failure: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is as expected."""
        return not self.failure and self.difference <= self.tolerance

    def __str__(self) -> str:
        if self.failure:
            return f"{self.name}: {self.failure}"
        return f"{self.name} differs by {self.difference:.2g}, at most {self.tolerance:g} is expected"


def self_test(bundle: Bundle, settings: Settings, every_variant: bool = False) -> list[Result]:
    """Compare this machine's answers with the stored ones.

    Args:
        settings: which file each net runs, with which threads and provider.
        every_variant: all files of each net, those that the board does not choose on the CPU.

    Raises:
        M3erError: the bundle holds no self-test, or a malformed one, or lacks a file that the board wants.
    """
    stored = read_stored(bundle)
    results: list[Result] = []
    fusions: dict[str, tuple[Engine, Precision, Provider]] = {}
    for variant, choice in _choices(bundle, settings, every_variant):
        name = variant_name(variant)
        tolerance = _tolerance(_NET_TOLERANCE, variant.precision, choice.provider)
        try:
            engine = open_variant(bundle, variant, choice)
            results.append(Result(name, _net_difference(bundle, engine, variant, stored), tolerance))
        except M3erError as error:
            results.append(Result(name, np.inf, tolerance, str(error)))
            continue
        if variant.net == "fusion":
            fusions[name] = engine, variant.precision, choice.provider
    effectual, whole = check_and_proxies(bundle, stored.sequence)
    expected = stored.outcome
    results.append(Result("check", float((effectual != expected.effectual).any(axis=1).sum()), 0.0))
    results.append(Result("proxies", _difference(expected.whole, whole), _PROXY_TOLERANCE))
    for name, (engine, precision, provider) in fusions.items():
        probabilities = fuse(bundle, engine, effectual, whole)
        results.append(
            Result(
                f"whole way, {name}",
                float(np.nan_to_num(np.abs(probabilities - expected.probabilities[name]), nan=np.inf).max()),
                _tolerance(_PROBABILITY_TOLERANCE, precision, provider),
            )
        )
    return results


def check_self_test(bundle: Bundle, settings: Settings) -> None:
    """The files that a board runs answer as they must. Raises M3erError: what differs, and by how much."""
    wrong = [str(result) for result in self_test(bundle, settings) if not result.passed]
    if wrong:
        raise M3erError(
            f"{bundle.folder}: fails its self-test: {'; '.join(wrong)}. Choose another engine or precision with "
            "`m3er-edge bench --write`, or get another bundle"
        )


def _choices(bundle: Bundle, settings: Settings, every_variant: bool) -> Iterator[tuple[NetVariant, NetChoice]]:
    for name in NETS:
        wanted, choice = chosen(bundle, name, settings)
        yield wanted, choice
        for variant in bundle.variants(name) if every_variant else []:
            if variant != wanted:
                yield variant, NetChoice(engine=variant.engine, precision=variant.precision)


def _tolerance(of: dict[Precision, float], precision: Precision, provider: Provider) -> float:
    return max(of[precision], _ACCELERATOR_TOLERANCE if provider in ("cuda", "tensorrt") else 0.0)


def _net_difference(bundle: Bundle, engine: Engine, variant: NetVariant, stored: StoredSelfTest) -> float:
    """The worst over a net's outputs: features in the spread they had in training, all else in its own."""
    answers = answers_of(engine, stored.inputs[variant.net])
    spread = None if variant.net == "fusion" else bundle.tables.scale[variant.net]
    expected = stored.expected[variant_name(variant)]
    return max(_difference(e, answers[output], spread) for output, e in expected.items())


def answers_of(engine: Engine, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
    """What a net answers to each row of its inputs, by output, (n, …)."""
    rows = len(next(iter(inputs.values())))
    answers = [engine.run({name: array[row : row + 1] for name, array in inputs.items()}) for row in range(rows)]
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}


def _difference(
    expected: NDArray[np.float32], found: NDArray[np.float32], spread: NDArray[np.float32] | None = None
) -> float:
    """The worst row's root mean square of the difference, in spreads.

    Args:
        spread: of each column; None: how much the expected rows differ among themselves.
    """
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (expected, found))
    unit = max(float(np.sqrt(((a - a.mean(axis=0)) ** 2).mean())), 1e-6) if spread is None else spread
    worst = np.sqrt((((a - b) / unit) ** 2).mean(axis=1)).max()
    return float(worst) if np.isfinite(worst) else float("inf")
