"""Splits of real pairs by person, their features on one scale, and their order in time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from edge.reading import MODALITIES, Modality
from export.corpora.paired import FeaturePairs
from export.fit.cloud import standardisation
from export.fit.pair_proxies import Proxies
from export.nets.pair_fusion import Sequences

Array = NDArray[np.float32]
Rows = NDArray[np.int64]

_AT_MOST_SPREADS = 5.0
"""Standardised features are cut here: MOSI's have outliers of 40 spreads."""


@dataclass(frozen=True)
class Fold:
    """A split of a corpus, and all its features on the scale of what is fitted.

    Attributes:
        modalities: their names, in the order of everything that is numbered by modality.
        features: per modality float32 (n, its own size), standardised on `fitted`.
        labels: int64 (n,).
        person: (n,).
        position: int64 (n,), place in the person's video.
        fitted: numbers of the samples that tables, and nets to choose among, are fitted on.
        chosen: of those on which settings and thresholds are chosen; no person of `fitted` or `test`.
        final: of those that the net with the chosen settings is trained on.
        test: of those that are scored.
    """

    modalities: tuple[Modality, ...]
    features: tuple[Array, ...]
    labels: Rows
    person: NDArray[np.str_]
    position: Rows
    fitted: Rows
    chosen: Rows
    final: Rows
    test: Rows

    @property
    def classes(self) -> int:
        """How many."""
        return int(self.labels.max()) + 1


def make_fold(pairs: FeaturePairs, fitted: Rows, chosen: Rows, final: Rows, test: Rows) -> Fold:
    """Standardise on `fitted`."""
    modalities = tuple(m for m in MODALITIES if m in pairs.features)
    features = []
    for m in modalities:
        mean, scale = standardisation(pairs.features[m][fitted])
        features.append(
            np.clip((pairs.features[m] - mean) / scale, -_AT_MOST_SPREADS, _AT_MOST_SPREADS).astype(np.float32)
        )
    return Fold(modalities, tuple(features), pairs.labels, pairs.person, pairs.position, fitted, chosen, final, test)


def halves_of_test(pairs: FeaturePairs, seed: int) -> list[Fold]:
    """Two folds: settings are chosen on one half of the test people, the other half is scored, and the other way.

    For a corpus whose training features know the training labels, so that nothing can be chosen there.
    """
    train = np.flatnonzero(pairs.split == "train")
    people = np.random.default_rng(seed).permutation(np.unique(pairs.person[pairs.split == "test"]))
    first, second = (
        np.flatnonzero(np.isin(pairs.person, half)) for half in (people[: len(people) // 2], people[len(people) // 2 :])
    )
    return [make_fold(pairs, train, a, train, b) for a, b in ((first, second), (second, first))]


def people_in_folds(person: NDArray[np.str_], folds: int, seed: int) -> list[NDArray[np.str_]]:
    """Who is in the test of which fold; whoever trains an encoder for a fold must draw its people here."""
    return np.array_split(np.random.default_rng(seed).permutation(np.unique(person)), folds)


def folds_by_person(
    pairs: FeaturePairs, folds: int, seed: int, speech_of_fold: Callable[[int], Array] | None = None
) -> list[Fold]:
    """Each person is in the test of one fold, and settings are chosen on the people of the next two.

    Args:
        speech_of_fold: speech features (n, size) of each fold, from an encoder that never heard that fold's test
            people; None: the pairs' own.
    """
    groups = [np.flatnonzero(np.isin(pairs.person, part)) for part in people_in_folds(pairs.person, folds, seed)]
    made = []
    for number in range(folds):
        test, chosen = groups[number], np.r_[groups[(number + 1) % folds], groups[(number + 2) % folds]]
        final = np.setdiff1d(np.arange(len(pairs.labels)), test)
        given = pairs
        if speech_of_fold is not None:
            given = replace(pairs, features={**pairs.features, "speech": speech_of_fold(number)})
        made.append(make_fold(given, np.setdiff1d(final, chosen), chosen, final, test))
    return made


def in_order(fold: Fold, rows: Rows, in_context: bool) -> Rows:
    """Numbers of samples as sequences (n, steps), -1 where one has ended.

    Args:
        in_context: a sequence is a person's samples in order of time; otherwise each sample is one of its own.
    """
    if not in_context:
        return rows[:, None]
    people = [rows[fold.person[rows] == person] for person in np.unique(fold.person[rows])]
    order = np.full((len(people), max(map(len, people), default=0)), -1, np.int64)
    for row, mine in zip(order, people, strict=True):
        row[: len(mine)] = mine[np.argsort(fold.position[mine], kind="stable")]
    return order


def sequences(
    fold: Fold,
    order: Rows,
    proxies: Proxies | None = None,
    weighted: bool = True,
    features: Sequence[Array] | None = None,
) -> Sequences:
    """The form that nets take.

    Args:
        order: of :func:`in_order`.
        proxies: None: what is dropped is replaced by the mean.
        weighted: sources count by how well they explain the target; otherwise alike.
        features: in place of the fold's own, where some were damaged.
    """
    features = fold.features if features is None else features
    there = order >= 0
    rows, place = np.unique(order, return_inverse=True)  # proxies cost time: only of what is in a sequence
    here = [f[rows] for f in features]

    def laid_out(x: Array) -> torch.Tensor:
        return torch.from_numpy(np.where(there[:, :, None], x[place.reshape(order.shape)], np.float32(0.0)))

    count = len(features)
    return Sequences(
        features=tuple(laid_out(f) for f in here),
        labels=torch.from_numpy(np.where(there, fold.labels[order], -1)),
        proxies={} if proxies is None else {way: laid_out(p) for way, p in proxies.of(here).items()},
        weights=torch.zeros(count, count) if proxies is None else torch.from_numpy(proxies.skills(count, weighted)),
    )


def laid_back(values: NDArray[np.generic], order: Rows, samples: int) -> NDArray[np.generic]:
    """(sequences, steps, …) by sample: (samples, …), 0 for what is in no sequence."""
    out = np.zeros((samples, *values.shape[2:]), values.dtype)
    out[order[order >= 0]] = values[order >= 0]
    return out
