"""Nets of the studies: each is trained once, whichever table asks for it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.evaluate.pair_folds import Array, Fold, Rows, in_order, laid_back, sequences
from export.fit.pair_proxies import Proxies
from export.nets.pair_fusion import PairFusion, Recipe, Sequences, train_pair_fusion


class NetShelf:
    """Trains nets on demand and keeps them."""

    def __init__(self) -> None:
        self._nets: dict[Any, PairFusion] = {}

    def net(
        self,
        fold: Fold,
        recipe: Recipe,
        seed: int,
        in_context: bool,
        proxies: Proxies | None = None,
        kept: Sequence[int] | None = None,
        final: bool = True,
    ) -> PairFusion:
        """A net trained on the fold's `final` people, or on `fitted`, to choose by.

        Args:
            in_context: sequences are videos, otherwise single samples.
            proxies: take the place of what is dropped in training; None: the mean does.
            kept: the modalities that it may ever see; None: all.
        """
        rows = fold.final if final else fold.fitted
        # two folds may train on the very same samples; proxies are told apart as objects, which the key keeps alive
        digest = hashlib.sha256(rows.tobytes())
        for f in fold.features:
            digest.update(f[rows].tobytes())
        key = (digest.digest(), recipe, seed, in_context, proxies and _Same(proxies), kept)
        if key not in self._nets:
            train = sequences(fold, in_order(fold, rows, in_context), proxies)
            self._nets[key] = train_pair_fusion(train, fold.classes, recipe, seed, kept)
        return self._nets[key]


class _Same:
    """Equal only for the very same object."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


@dataclass(frozen=True)
class Scene:
    """What nets are scored on: people of a fold, laid out as nets take it, with all proxies.

    Attributes:
        rows: numbers of the samples; `order`: of the same as sequences, see :func:`in_order`.
    """

    fold: Fold
    rows: Rows
    order: Rows
    given: Sequences

    def without_proxies(self) -> "Scene":
        """The same, where the mean takes the place of what is dropped."""
        return replace(self, given=replace(self.given, proxies={}))


def scene(
    fold: Fold,
    in_context: bool,
    proxies: Proxies | None = None,
    weighted: bool = True,
    features: Sequence[Array] | None = None,
    chosen: bool = False,
) -> Scene:
    """The fold's test people, or those settings are `chosen` on.

    Args:
        in_context: sequences are videos, otherwise single samples.
        proxies, weighted, features: see :func:`export.evaluate.pair_folds.sequences`.
    """
    rows = fold.chosen if chosen else fold.test
    order = in_order(fold, rows, in_context)
    return Scene(fold, rows, order, sequences(fold, order, proxies, weighted, features))


@torch.no_grad()
def right(net: PairFusion, on: Scene, trusted: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """1 where the net is right, 0 where it is wrong, in the order of the scene's `rows`.

    Args:
        trusted: (n, M) of the corpus: what else is replaced by proxies, or the mean; None: nothing is.
    """
    labels = on.fold.labels
    if trusted is None:
        trusted = np.ones((len(labels), len(on.fold.features)), np.bool_)
    effectual = torch.from_numpy(trusted[on.order])  # where a sequence has ended it is another's: never read
    logits, _ = net(on.given.filled(effectual), on.given.labels >= 0)
    guess = laid_back(logits.argmax(dim=2).numpy(), on.order, len(labels))
    hit: NDArray[np.float64] = (guess[on.rows] == labels[on.rows]).astype(np.float64)
    return hit
