"""Pairs: what the modality check, the proxies and the fusion are fitted on, whatever corpus they come from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.reading import Modality


@dataclass(frozen=True)
class PairedSteps:
    """Features of n moments of some steps each, as the encoders give them (not yet standardised).

    Attributes:
        features: per modality float32 (n, steps, dim).
        present: bool (n, steps, 3), in the order of MODALITIES; where it is False the feature means nothing.
        labels: float32 (n, classes), shares of the votes; one-hot where a corpus has one label.
        datasets: the corpus of each moment, (n,).
    """

    features: dict[Modality, NDArray[np.float32]]
    present: NDArray[np.bool_]
    labels: NDArray[np.float32]
    datasets: NDArray[np.str_]


@dataclass(frozen=True)
class FeaturePairs:
    """A corpus that comes as ready features, one vector a modality and utterance.

    Attributes:
        name: of the corpus.
        features: per modality float32 (n, its own size); a corpus may have two modalities or three.
        labels: int64 (n,), numbers into `label_names`.
        label_names: the classes.
        person: (n,), the speaker, or the video where speakers are not named: splits go by it.
        position: int64 (n,), the utterance's place in its person's video or dialogue.
        split: (n,), ``train``, ``validation`` or ``test``; empty where the owner gives no split.
    """

    name: str
    features: dict[Modality, NDArray[np.float32]]
    labels: NDArray[np.int64]
    label_names: tuple[str, ...]
    person: NDArray[np.str_]
    position: NDArray[np.int64]
    split: NDArray[np.str_]
