"""Each net in each variant on this board, in turns; and which to choose."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bench.record import NetTime
from edge.bench.timing import interleaved
from edge.bundle import NETS, Bundle, NetName, NetVariant
from edge.engines.engine import Engine, Provider
from edge.errors import M3erError
from edge.nets import INPUT_DTYPES, open_variant
from edge.settings.settings import NetChoice


def time_net(
    bundle: Bundle,
    name: NetName,
    threads: Sequence[int],
    provider: Provider = "cpu",
    rounds: int = 30,
    round_s: float = 0.01,
) -> list[NetTime]:
    """Time all variants of a net with each number of threads. What cannot be run here is listed with the reason."""
    opened: dict[str, NetTime] = {}
    engines: dict[str, Engine] = {}
    for variant in bundle.variants(name):
        for count in threads:
            key = f"{variant.file} {count}"
            choice = NetChoice(
                engine=variant.engine,
                precision=variant.precision,
                threads=count,
                provider=provider if variant.engine == "onnx" else "cpu",
            )
            runs_on, failure = "", None
            try:
                engines[key] = open_variant(bundle, variant, choice)
                runs_on = engines[key].name
            except M3erError as error:
                failure = str(error)
            opened[key] = NetTime(
                net=name,
                engine=variant.engine,
                precision=variant.precision,
                threads=count,
                file_bytes=bundle.manifest.files[variant.file].bytes,
                runs_on=runs_on,
                failure=failure,
            )
    inputs = likely_inputs(bundle, bundle.net(name))
    timed = interleaved({key: partial(engine.run, inputs) for key, engine in engines.items()}, rounds, round_s)
    return [one.model_copy(update=vars(timed[key])) if key in timed else one for key, one in opened.items()]


def likely_inputs(bundle: Bundle, variant: NetVariant, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Random inputs of a net: times do not depend on what they say, but zeros would flatter some kernels."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(2, len(bundle.vocabulary), shape).astype(np.int32)
        if name in INPUT_DTYPES
        else rng.normal(0.0, 0.5, shape).astype(np.float32)
        for name, shape in variant.inputs.items()
    }


def choose(times: Sequence[NetTime]) -> dict[NetName, NetChoice]:
    """The variant of each net that costs the least CPU on one thread: a robot has other work for its cores.

    With more threads a net may answer sooner, but never for less CPU; that is for the operator to decide.

    Raises:
        M3erError: no variant of a net can be run here.
    """
    best: dict[NetName, NetChoice] = {}
    for name in NETS:
        own = [time for time in times if time.net == name]
        fit = [time for time in own if time.cpu_us is not None and time.threads == 1]
        if not fit:
            raise M3erError(f"no file of the {name} net can be run here: " + "; ".join(str(t.failure) for t in own))
        least = min(fit, key=lambda time: time.cpu_us or 0.0)
        best[name] = NetChoice(
            engine=least.engine,
            precision=least.precision,
            threads=least.threads,
            provider=_provider(least),
        )
    return best


def _provider(time: NetTime) -> Provider:
    for name in ("tensorrt", "cuda", "xnnpack"):
        if time.engine == "onnx" and time.runs_on.lower().startswith(f"onnx/{name}"):
            return name
    return "cpu"
