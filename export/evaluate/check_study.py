"""What the modality check finds on people that it was not fitted on."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from sklearn.metrics import roc_curve

from export.evaluate.evaluation import Cell, Roc, RocCurve, Table
from export.evaluate.fold_check import FoldCheck, chosen_canonical, fit_check, roc_area
from export.evaluate.pair_damage import DAMAGES, Damage, damaged
from export.evaluate.pair_folds import Fold, in_order
from export.fit.cloud import whitening
from export.fit.pair_check import Doubles, Pair, Score, densities, pair_score

SCORES: tuple[Score, ...] = ("Pearson", "weighted Pearson", "likelihood ratio")
WINDOWS = (1, 2, 4, 8)

Scored = tuple[Doubles, dict[Damage, Doubles]]
"""Of good samples, and of damaged ones by kind of damage."""


def check_study(name: str, folds: Sequence[Fold], seed: int) -> tuple[list[Table], list[Roc]]:
    """ROC areas of every pair, kind of evidence, damage and window, and what whole rules find.

    Args:
        name: of the corpus, for keys and titles.
    """
    names = folds[0].modalities
    single: list[list[Cell]] = []
    accumulated: list[list[Cell]] = []
    curves: list[RocCurve] = []
    for pair in combinations(range(len(names)), 2):
        title = f"{names[pair[0]]}-{names[pair[1]]}"
        for score in SCORES:
            areas = {}
            for window in WINDOWS:
                scored = [_agreement(fold, pair, score, window, seed) for fold in folds]
                for damage in DAMAGES:
                    areas[damage, window] = _mean_area(scored, damage)
                if window in (1, 8) and score != "weighted Pearson":
                    curves.append(_curve(f"{title}, {score}, {window} samples", scored, "stranger"))
            single.append([title, score, *(areas[damage, 1] for damage in DAMAGES)])
            accumulated += [
                [title, score, damage, *(areas[damage, window] for window in WINDOWS)] for damage in DAMAGES
            ]
    for m, modality in enumerate(names):
        scored = [_outside(fold, m, seed) for fold in folds]
        single.append([modality, "density", *(_mean_area(scored, damage) for damage in DAMAGES)])
    protocol = (
        "ROC area of good samples against damaged ones (either modality of the pair), on people that nothing was "
        "fitted or chosen on; mean over folds. Canonical projections are fitted on the training people; shrinkage and "
        "number of canonical dimensions are those with the largest area on other people. "
    )
    return [
        Table(
            key=f"{name}-evidence",
            section="check",
            title=f"{name}: evidence from a single sample",
            text=protocol + "Noise: SNR 0.01. Stranger: another person's features of that modality. Stale: the same "
            "person's, three samples before. 'Pearson' is the paper's score; 'likelihood ratio' is how much likelier "
            "the canonical variates are as a pair than as strangers, which also counts how large they are; 'density' "
            "is the distance from the training cloud, which cannot see a stranger.",
            columns=["modalities", "evidence", *DAMAGES],
            rows=single,
        ),
        Table(
            key=f"{name}-accumulated",
            section="check",
            title=f"{name}: evidence accumulated over the last samples",
            text=protocol + "The damage lasts for the whole window.",
            columns=["modalities", "evidence", "damage", *(f"last {window}" for window in WINDOWS)],
            rows=accumulated,
        ),
        _rules(name, folds, seed),
    ], [
        Roc(
            title=f"{name}: a stranger's modality, by agreement",
            text="Good: test people as they are. Bad: one modality of each pair is another person's.",
            curves=curves,
        )
    ]


def _agreement(fold: Fold, pair: Pair, score: Score, window: int, seed: int) -> Scored:
    i, j = pair
    canonical = chosen_canonical(fold, pair, score, window, seed)
    order = in_order(fold, fold.test, in_context=True)

    def of(first: np.ndarray, second: np.ndarray) -> Doubles:
        return pair_score(canonical, first, second, score, order, window)[fold.test]

    return of(fold.features[i], fold.features[j]), {
        damage: np.r_[
            of(damaged(fold, i, fold.test, damage, seed), fold.features[j]),
            of(fold.features[i], damaged(fold, j, fold.test, damage, seed)),
        ]
        for damage in DAMAGES
    }


def _outside(fold: Fold, modality: int, seed: int) -> Scored:
    whiten = whitening(fold.features[modality][fold.fitted])
    of: Callable[[np.ndarray], Doubles] = lambda f: -densities(whiten, f[fold.test], 1.0)  # noqa: E731
    return of(fold.features[modality]), {d: of(damaged(fold, modality, fold.test, d, seed)) for d in DAMAGES}


def _mean_area(scored: Sequence[Scored], damage: Damage) -> float:
    return float(np.mean([roc_area(good, bad[damage]) for good, bad in scored]))


def _curve(name: str, scored: Sequence[Scored], damage: Damage) -> RocCurve:
    """One curve of all folds: what is found at each share of false alarms, in the mean."""
    at = np.linspace(0.0, 1.0, 41)
    found = []
    for good, bad in scored:
        truth = np.r_[np.zeros(len(good)), np.ones(len(bad[damage]))]
        false, true, _ = roc_curve(truth, -np.r_[good, bad[damage]])
        found.append(np.interp(at, false, true))
    return RocCurve(
        name=name,
        false_positive=at.tolist(),
        true_positive=np.mean(found, axis=0).clip(0, 1).tolist(),
        area=_mean_area(scored, damage),
    )


def _rules(name: str, folds: Sequence[Fold], seed: int) -> Table:
    kinds: dict[str, Callable[[Fold], FoldCheck]] = {
        "correlation alone, the paper's": lambda fold: fit_check(fold, "correlation", "Pearson", 1, True, seed),
        "density alone": lambda fold: fit_check(fold, "density", "likelihood ratio", 1, True, seed),
        "both": lambda fold: fit_check(fold, "both", "likelihood ratio", 1, True, seed),
        "both, last 8": lambda fold: fit_check(fold, "both", "likelihood ratio", 8, True, seed),
        "both, last 8, every partner must agree": lambda fold: fit_check(
            fold, "both", "likelihood ratio", 8, False, seed
        ),
    }
    rows: list[list[Cell]] = []
    for title, make in kinds.items():
        lost, found, kept = [], [], []
        for fold in folds:
            check, order = make(fold), in_order(fold, fold.test, in_context=True)
            lost.append((~check.trusted(fold.features, order)[fold.test].all(axis=1)).mean())
            for m in range(len(fold.features)):
                for damage in DAMAGES:
                    features = list(fold.features)
                    features[m] = damaged(fold, m, fold.test, damage, seed)
                    trusted = check.trusted(features, order)[fold.test]
                    found.append((damage, (~trusted[:, m]).mean()))
                    kept.append(np.delete(trusted, m, axis=1).mean())
        row: list[Cell] = [title, float(np.mean(lost))]
        rows.append(
            row
            + [float(np.mean([share for d, share in found if d == damage])) for damage in DAMAGES]
            + [float(np.mean(kept))]
        )
    return Table(
        key=f"{name}-rules",
        section="check",
        title=f"{name}: whole rules of the check",
        text="Thresholds are set on people that are neither trained nor tested on, such that at most 5 % of clean "
        "samples lose a modality there. Then, on the test people: clean samples that lose one; damaged modalities "
        "that are dropped, by damage; undamaged modalities beside a damaged one that are kept. Where two modalities "
        "only disagree, nothing says which of them is wrong, and both are dropped.",
        columns=["rule", "clean samples that lose one", *(f"{d} found" for d in DAMAGES), "good ones kept"],
        rows=rows,
    )
