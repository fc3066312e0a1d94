"""Ways to fuse, side by side on real pairs, on one backbone and with one recipe; and what choosing a recipe adds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from cca_zoo.linear import RidgeCCA
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from export.evaluate.evaluation import Cell, Figure, Table
from export.evaluate.intervals import accuracy_interval
from export.evaluate.net_shelf import NetShelf, right, scene
from export.evaluate.pair_folds import Fold
from export.nets.pair_fusion import Fusion, Recipe

Doubles = NDArray[np.float64]

_CANONICAL_DIMENSIONS = 20
_CCA_SHRINKAGE = 0.5
_PENALTY = 0.01
"""C of the logistic regressions."""


@dataclass(frozen=True)
class FusionStudy:
    """What is compared on a corpus.

    Attributes:
        name: of the corpus, for keys and titles.
        recipe: the one that every fusion is trained with.
        fusions: the ones to compare.
        candidates: of which one is chosen for each fold, on people that are not scored; none: nothing is chosen.
        in_context: sequences are videos; then the recipe is also tried in both directions.
        seeds: of the nets.
        reach, peer: what the chosen recipe must reach (None: nothing), and who scored what.
        text: what else is to be known of the data.
    """

    name: str
    recipe: Recipe
    candidates: tuple[Recipe, ...]
    fusions: tuple[Fusion, ...]
    in_context: bool
    seeds: tuple[int, ...]
    reach: float | None
    peer: str
    text: str


@dataclass(frozen=True)
class _Scored:
    """Right or wrong per test sample of all folds, joined: one row a seed."""

    hits: Doubles

    def cells(self, person: NDArray[np.str_], labels: NDArray[np.int64], seed: int) -> list[Cell]:
        accuracy, low, high = accuracy_interval(self.hits.mean(axis=0), person, seed)
        spread = float(self.hits.mean(axis=1).std(ddof=1)) if len(self.hits) > 1 else None
        recall = float(np.mean([self.hits[:, labels == c].mean() for c in np.unique(labels)]))
        return [accuracy, spread, low, high, recall]


def fusion_study(
    study: FusionStudy, folds: Sequence[Fold], shelf: NetShelf, seed: int, tick: Callable[[], None]
) -> tuple[Table, list[Figure]]:
    """Train and score every fusion, and the recipes chosen on other people than those scored.

    Args:
        tick: called once a row.
    """
    test = np.concatenate([fold.test for fold in folds])
    person, labels = folds[0].person[test], folds[0].labels[test]
    rows: list[list[Cell]] = []

    def add(name: str, scored: _Scored) -> None:
        rows.append([name, *scored.cells(person, labels, seed)])
        tick()

    majority = np.concatenate([_majority(fold) for fold in folds])
    add("the most frequent class", _Scored(majority[None]))
    add("logistic regression, features side by side", _Scored(_joined(folds, _logistic)[None]))
    add("CCA fusion (Shan et al. 2007)", _Scored(_joined(folds, _cca_fusion)[None]))
    for fusion in study.fusions:
        add(fusion, _trained(study, folds, [replace(study.recipe, fusion=fusion)] * len(folds), shelf))
    directions = (False, True) if study.in_context else (False,)
    figures = []
    for both in directions:
        suffix = ", both directions" if both else ""
        fixed = replace(study.recipe, both_directions=both)
        a_priori = _trained(study, folds, [fixed] * len(folds), shelf)
        if both:
            add(f"{fixed.fusion}{suffix}", a_priori)
        by_kind = {"recipe fixed": a_priori}
        candidates = [replace(candidate, both_directions=both) for candidate in study.candidates]
        if candidates:
            kind = "recipe chosen on other people"
            by_kind[kind] = _trained(study, folds, [_choose(study, fold, candidates, shelf) for fold in folds], shelf)
            add(f"{kind}{suffix}", by_kind[kind])
        for kind, scored in by_kind.items():
            accuracy, low, high = accuracy_interval(scored.hits.mean(axis=0), person, seed)
            last = both == directions[-1] and kind == list(by_kind)[-1]
            figures.append(
                Figure(
                    part="fusion",
                    data=study.name,
                    split=f"test people, {kind}{suffix}",
                    name="accuracy",
                    value=accuracy,
                    low=low,
                    high=high,
                    samples=len(test),
                    reach=study.reach if last else None,
                    peer=study.peer if last else "",
                )
            )
    text = (
        f"Accuracy on test people: the mean of {len(study.seeds)} net seeds with its spread (standard deviation over "
        "seeds), a 95 % interval with people drawn anew, and mean recall. All fusions share backbone, sizes and "
        f"recipe: noise {study.recipe.noise} on {', '.join(folds[0].modalities)}, {study.recipe.epochs} epochs. "
    )
    columns = ["fusion", "accuracy", "spread", "low", "high", "mean recall"]
    title = f"{study.name}: ways to fuse"
    return Table(
        key=f"{study.name}-fusion", section="fusion", title=title, text=text + study.text, columns=columns, rows=rows
    ), figures


def _trained(study: FusionStudy, folds: Sequence[Fold], recipes: Sequence[Recipe], shelf: NetShelf) -> _Scored:
    hits = [
        np.concatenate(
            [
                right(shelf.net(fold, recipe, seed, study.in_context), scene(fold, study.in_context))
                for fold, recipe in zip(folds, recipes, strict=True)
            ]
        )
        for seed in study.seeds
    ]
    return _Scored(np.stack(hits))


def _choose(study: FusionStudy, fold: Fold, candidates: Sequence[Recipe], shelf: NetShelf) -> Recipe:
    """The recipe with the best mean accuracy on the fold's `chosen` people."""

    def accuracy(recipe: Recipe) -> float:
        nets = [shelf.net(fold, recipe, seed, study.in_context, final=False) for seed in study.seeds]
        return float(np.mean([right(net, scene(fold, study.in_context, chosen=True)).mean() for net in nets]))

    return max(candidates, key=accuracy)


def _joined(folds: Sequence[Fold], score: Callable[[Fold], Doubles]) -> Doubles:
    return np.concatenate([score(fold) for fold in folds])


def _majority(fold: Fold) -> Doubles:
    most = np.bincount(fold.labels[fold.final]).argmax()
    hits: Doubles = (fold.labels[fold.test] == most).astype(np.float64)
    return hits


def _logistic(fold: Fold) -> Doubles:
    return _linear(fold, np.concatenate(fold.features, axis=1))


def _cca_fusion(fold: Fold) -> Doubles:
    """Canonical variates of each pair side by side, then a linear classifier."""
    parts = []
    for i, j in combinations(range(len(fold.features)), 2):
        dimensions = min(_CANONICAL_DIMENSIONS, fold.features[i].shape[1], fold.features[j].shape[1])
        model = RidgeCCA(n_components=dimensions, shrinkage=_CCA_SHRINKAGE)
        model.fit([fold.features[i][fold.final], fold.features[j][fold.final]])
        parts += [fold.features[m] @ weights for m, weights in zip((i, j), model.weights_, strict=True)]
    variates = np.concatenate(parts, axis=1)
    return _linear(fold, variates / variates[fold.final].std(axis=0))


def _linear(fold: Fold, features: NDArray[np.floating]) -> Doubles:
    model = LogisticRegression(C=_PENALTY, max_iter=500).fit(features[fold.final], fold.labels[fold.final])
    hits: Doubles = (model.predict(features[fold.test]) == fold.labels[fold.test]).astype(np.float64)
    return hits
