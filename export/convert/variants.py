"""All files of one net: ONNX and TFLite, float and int8; each proven, the fastest here listed first."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from torch import nn

from edge.bench.timing import interleaved
from edge.bundle import NetName, NetVariant
from edge.engines.engine import SUFFIX, EngineName, Precision, open_engine
from edge.errors import M3erError
from export.convert.onnx_file import write_onnx, write_onnx_int8
from export.convert.parity import Observed, Parity, Proof, TorchEngine, observe, parity
from export.convert.sample import Sample
from export.convert.tflite_file import write_tflite, write_tflite_int8

_SCORE_LOST = 0.01
"""Of the end task, by int8 against float."""


@dataclass(frozen=True)
class Bar:
    """What a file must reach beside the end task."""

    cosine_worst: float
    cosine_median: float
    top1_agreement: float


_BARS: dict[Precision, Bar] = {
    "fp32": Bar(0.9999, 0.99999, 0.995),  # the same arithmetic as the torch net's
    "int8": Bar(0.90, 0.99, 0.95),
}

_Write = Callable[[Path, list[Sample], Path], None]
WRITERS: dict[EngineName, tuple[Callable[[nn.Module, list[Sample], list[str], Path], None], _Write]] = {
    "onnx": (write_onnx, write_onnx_int8),
    "litert": (write_tflite, write_tflite_int8),
}


def write_variants(
    name: NetName, net: nn.Module, calibration: list[Sample], proof: Proof, outputs: list[str], folder: Path
) -> list[NetVariant]:
    """Write ``<net>.<engine>.<precision>.<ending>`` into `folder`, each that is right; returns the manifest's entries.

    A float file is compared with the torch net, an int8 file with the float file that it was made of. What fails is
    said, and not written.

    Raises:
        M3erError: neither engine's float file answers as the torch net does.
    """
    found: dict[Path, Parity] = {}
    truth = observe(TorchEngine(net, list(proof.samples[0]), outputs), proof)
    for engine, (write_float, write_int8) in WRITERS.items():
        fp32, int8 = (folder / file_name(name, engine, precision) for precision in ("fp32", "int8"))
        write_float(net, calibration, outputs, fp32)
        write_int8(fp32, calibration, int8)
        seen = _judge(fp32, "fp32", truth, proof, found)
        if seen is None:
            int8.unlink()
        else:
            _judge(int8, "int8", seen, proof, found)
    if not found:
        raise M3erError(f"{name}: no converter's file answers as the torch net does; see what failed above")
    inputs = {key: list(array.shape) for key, array in proof.samples[0].items()}
    return [
        NetVariant(
            net=name, engine=engine, precision=precision, file=f"nets/{path.name}", inputs=inputs, parity=figures
        )
        for path in _fastest_first(list(found), proof.samples[0])
        for engine, precision in [_of_name(path)]
        for figures in [{key: round(value, 5) for key, value in asdict(found[path]).items()}]
    ]


def file_name(net: NetName, engine: EngineName, precision: Precision) -> str:
    """Of a variant, inside ``nets/``."""
    return f"{net}.{engine}.{precision}.{SUFFIX[engine]}"


def _of_name(path: Path) -> tuple[EngineName, Precision]:
    engine: EngineName = "onnx" if ".onnx." in path.name else "litert"
    return engine, "int8" if ".int8." in path.name else "fp32"


def _judge(
    path: Path, precision: Precision, reference: Observed, proof: Proof, found: dict[Path, Parity]
) -> Observed | None:
    """Note a file that is right, and what it answers; remove one that is wrong."""
    try:
        seen = observe(open_engine(path), proof)
    except M3erError as error:
        print(f"{path.name}: refused, {error}")
        path.unlink()
        return None
    figures = parity(reference, seen, proof)
    why = failures(figures, precision)
    print(f"{path.name}: {_line(figures, proof.task)}" + (f": refused, {', '.join(why)}" if why else ""))
    if why:
        path.unlink()
        return None
    found[path] = figures
    return seen


def failures(figures: Parity, precision: Precision) -> list[str]:
    """What a file does not reach, in words; empty if it is right."""
    bar = _BARS[precision]
    least = {
        "cosine_worst": bar.cosine_worst,
        "cosine_median": bar.cosine_median,
        "top1_agreement": bar.top1_agreement,
    }
    why = [
        f"{key} {getattr(figures, key):.4f} below {low}" for key, low in least.items() if getattr(figures, key) < low
    ]
    if figures.score_lost > _SCORE_LOST:
        why.append(f"loses {figures.score_lost:.3f} of the end task, more than {_SCORE_LOST}")
    return why


def _line(figures: Parity, task: str) -> str:
    return (
        f"cosine worst {figures.cosine_worst:.4f}, median {figures.cosine_median:.5f}; same class "
        f"{figures.top1_agreement:.1%}; {task} {figures.score:.3f} (loses {figures.score_lost:+.4f})"
    )


def _fastest_first(paths: list[Path], sample: Sample) -> list[Path]:
    timed = interleaved({str(path): partial(open_engine(path).run, sample) for path in paths})
    return sorted(paths, key=lambda path: timed[str(path)].cpu_us)
