"""The method as one bundle has it: encoders, modality check, proxies, fusion, and what they remember.

All of a run that another bundle replaces; :mod:`edge.runtime` holds one, and may be given another between two steps.
"""

import numpy as np
from numpy.typing import NDArray

from edge.bundle import MANIFEST, Bundle
from edge.errors import M3erError
from edge.m3er.check import ModalityCheck, Rule, Verdict
from edge.m3er.fusion import FusionStep
from edge.m3er.proxy import ProxyTable
from edge.nets import open_net
from edge.perceive import log_mel, tokens
from edge.perceive.face_crop import CROP_SIZE_PX
from edge.perceive.percept import Percept
from edge.reading import MODALITIES, Modality
from edge.settings.settings import Settings

_FORGET_AFTER_NS = 3_000_000_000
"""With nothing effectual for so long, the fusion's memory is of another moment."""

Feature = NDArray[np.float32]


class Method:
    """A bundle's nets and tables, opened, tried and ready.

    Args:
        bundle: an opened bundle.
        rule: the modality check's evidence.
        settings: which engine and precision each net runs with; None: as the bundle's maker found best.

    Raises:
        M3erError: the bundle was trained with other perception than this program has, or a net does not load.
    """

    def __init__(self, bundle: Bundle, rule: Rule = "full", settings: Settings | None = None) -> None:
        _check_perception(bundle)
        self.bundle = bundle
        manifest, settings = bundle.manifest, settings or Settings()
        self._encoders = {m: open_net(bundle, m, settings) for m in MODALITIES}
        self._check = ModalityCheck(bundle.tables, manifest.check_window_steps, manifest.minimum_quality, rule)
        self._proxies = ProxyTable(bundle.tables, manifest.neighbours, manifest.ridge)
        self._fusion = FusionStep(open_net(bundle, "fusion", settings), manifest.state, bundle.tables.temperature)
        self._effectual_ns: int | None = None

    def forget(self) -> None:
        """What it remembers is of another moment."""
        self._check.reset()
        self._fusion.reset()
        self._effectual_ns = None

    def encode(self, modality: Modality, percept: Percept) -> Feature:
        """Mean feature (dim,) over the percept's inputs, on the tables' scale."""
        engine = self._encoders[modality]
        (name,) = engine.inputs
        outputs = [engine.run({name: array})["feature"][0] for array in percept.inputs]
        return self.bundle.tables.standardise(modality, np.mean(outputs, axis=0))

    def check(self, features: dict[Modality, Feature], percepts: dict[Modality, Percept]) -> Verdict:
        """Which modalities are effectual at this step."""
        return self._check.step(features, {m: percepts[m].quality for m in features})

    def fuse(self, good: dict[Modality, Feature], now_ns: int) -> NDArray[np.float32]:
        """Proxies for what is not good, one fusion step; uniform probabilities where nothing is good."""
        if not good:
            if self._effectual_ns is not None and now_ns - self._effectual_ns > _FORGET_AFTER_NS:
                self._fusion.reset()
                self._effectual_ns = None
            classes = len(self.bundle.manifest.labels)
            return np.full(classes, 1.0 / classes, np.float32)
        self._effectual_ns = now_ns
        whole = {m: good[m] if m in good else self._proxies.regenerate(m, good) for m in MODALITIES}
        return self._fusion.step(whole, len(good)).probabilities


def _check_perception(bundle: Bundle) -> None:
    """The encoders must be given what they were trained on."""
    manifest, where = bundle.manifest, bundle.folder / MANIFEST
    ours = {"log_mel": log_mel.SETTINGS, "face_side": CROP_SIZE_PX, "tokens": tokens.TOKENS}
    for name, value in ours.items():
        if getattr(manifest, name) != value:
            raise M3erError(f"{where}: {name} is {getattr(manifest, name)}, this program computes {value}; train anew")
