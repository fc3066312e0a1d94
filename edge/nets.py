"""The four nets of a bundle, opened as the settings ask, and tried once: each answers as it must."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bundle import MANIFEST, Bundle, NetName, NetVariant
from edge.engines.engine import Engine, open_engine
from edge.errors import M3erError
from edge.reading import MODALITIES
from edge.settings.settings import NetChoice, Settings

INPUT_DTYPES = {"tokens": np.int32}
"""Inputs of nets that are not float32."""


def chosen(bundle: Bundle, name: NetName, settings: Settings) -> tuple[NetVariant, NetChoice]:
    """The file of a net that is wanted, and how it is to run. Raises M3erError if the bundle lacks it."""
    choice = settings.nets.get(name)
    if choice is not None:
        return bundle.net(name, choice.engine, choice.precision), choice
    variant = bundle.net(name)
    return variant, NetChoice(engine=variant.engine, precision=variant.precision)


def open_net(bundle: Bundle, name: NetName, settings: Settings) -> Engine:
    """A net as the settings want it. Raises M3erError; see :func:`open_variant`."""
    variant, choice = chosen(bundle, name, settings)
    return open_variant(bundle, variant, choice)


def open_variant(bundle: Bundle, variant: NetVariant, choice: NetChoice) -> Engine:
    """A net's file, loaded and run once: it answers with the shapes it must, and its first real run is not its slowest.

    Raises:
        M3erError: it does not load, takes other inputs than the manifest says, or answers otherwise.
    """
    path = bundle.path(variant)
    engine = open_engine(path, choice.threads, choice.provider)
    if set(engine.inputs) != set(variant.inputs):
        listed = ", ".join(variant.inputs)
        raise M3erError(f"{path}: takes {', '.join(engine.inputs)}, after {bundle.folder / MANIFEST} it takes {listed}")
    try:
        answered = {key: array.shape for key, array in engine.run(trial_inputs(bundle, variant)).items()}
    except Exception as error:  # noqa: BLE001 - the engines' own exceptions share no narrower base
        raise M3erError(f"{path}: does not take the manifest's inputs ({str(error).splitlines()[0]})") from None
    for key, shape in output_shapes(bundle, variant.net).items():
        if answered.get(key) != shape:
            where = bundle.folder / MANIFEST
            raise M3erError(f"{path}: {key} has shape {answered.get(key)}, after {where} it must be {shape}")
    return engine


def trial_inputs(bundle: Bundle, variant: NetVariant) -> dict[str, NDArray[Any]]:
    """Zeros of the right shapes; tokens are the vocabulary's last word, which the net must know."""
    trial = {key: np.zeros(shape, INPUT_DTYPES.get(key, np.float32)) for key, shape in variant.inputs.items()}
    for key in trial.keys() & INPUT_DTYPES.keys():
        trial[key][:] = len(bundle.vocabulary) - 1
    return trial


def output_shapes(bundle: Bundle, name: NetName) -> Mapping[str, tuple[int, ...]]:
    """What a net must answer with."""
    manifest = bundle.manifest
    if name != "fusion":
        return {"feature": (1, manifest.dim)}
    classes = len(manifest.labels)
    heads = {"joint_logits": (1, classes), "modality_logits": (1, len(MODALITIES), classes)}
    return heads | {f"next_{part}": (1, size) for part, size in manifest.state.items()}
