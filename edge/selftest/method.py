"""A stored sequence through check, proxies and fusion: the steps of :mod:`edge.runtime`, without its perception."""

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.engines.engine import Engine
from edge.m3er.check import ModalityCheck
from edge.m3er.fusion import FusionStep
from edge.m3er.proxy import ProxyTable
from edge.reading import MODALITIES
from edge.selftest.stored_file import Sequence


def check_and_proxies(bundle: Bundle, sequence: Sequence) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Which modalities the check trusts, bool (steps, 3), and what the fusion is given, float32 (steps, 3, dim)."""
    manifest = bundle.manifest
    check = ModalityCheck(bundle.tables, manifest.check_window_steps, manifest.minimum_quality)
    proxies = ProxyTable(bundle.tables, manifest.neighbours, manifest.ridge)
    effectual = np.zeros(sequence.present.shape, np.bool_)
    whole = np.zeros((*sequence.present.shape, manifest.dim), np.float32)
    for step, present in enumerate(sequence.present):
        features = {m: sequence.features[m][step] for m, there in zip(MODALITIES, present, strict=True) if there}
        quality = dict(zip(MODALITIES, sequence.quality[step].tolist(), strict=True))
        trusted = check.step(features, quality).effectual
        good = {m: features[m] for m in MODALITIES if m in trusted}
        for number, m in enumerate(MODALITIES):
            effectual[step, number] = m in good
            if good:
                whole[step, number] = good[m] if m in good else proxies.regenerate(m, good)
    return effectual, whole


def fuse(
    bundle: Bundle, engine: Engine, effectual: NDArray[np.bool_], whole: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Probabilities (steps, classes) of a file of the fusion net; uniform where nothing is effectual."""
    fusion = FusionStep(engine, bundle.manifest.state, bundle.tables.temperature)
    classes = len(bundle.manifest.labels)
    out = np.full((len(whole), classes), 1.0 / classes, np.float32)
    for step, live in enumerate(effectual.sum(axis=1).tolist()):
        if live:
            out[step] = fusion.step(dict(zip(MODALITIES, whole[step], strict=True)), live).probabilities
    return out
