"""The paper's experiment: modalities of three samples in four drown in noise. Against an oracle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from export.evaluate.evaluation import Cell, Figure, Table
from export.evaluate.fold_check import FoldCheck, fit_check
from export.evaluate.intervals import accuracy_interval
from export.evaluate.net_shelf import NetShelf, right, scene
from export.evaluate.pair_damage import draw_ruined, pattern_name, patterns, with_noise
from export.evaluate.pair_folds import Array, Fold, Rows
from export.fit.pair_proxies import Proxies, make_proxies
from export.nets.pair_fusion import Recipe

RUINED_SHARE = 0.75
DROP = 0.35
"""How often a modality is replaced in the training of nets that are to get on without it."""
WITHIN = 0.01
"""How near to the oracle check and proxies are to come."""

Bools = NDArray[np.bool_]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Protocol:
    """How a corpus is put through it.

    Attributes:
        name: of the corpus, for keys and titles.
        recipe: of all nets; `drop` is set by the row.
        in_context: sequences are videos and the damage lasts for a whole video; otherwise single samples.
        seeds: of the nets.
        draws: how often the damage is drawn.
        text: what else is to be known of the data.
    """

    name: str
    recipe: Recipe
    in_context: bool
    seeds: tuple[int, ...]
    draws: int
    text: str = ""


@dataclass(frozen=True)
class Equipped:
    """A fold with what was fitted on it.

    Attributes:
        checks: full and the paper's own.
    """

    fold: Fold
    proxies: Proxies
    full: FoldCheck
    paper: FoldCheck


def equip(folds: Sequence[Fold], protocol: Protocol, seed: int) -> list[Equipped]:
    """Proxies and checks of each fold."""
    window = 8 if protocol.in_context else 1
    return [
        Equipped(
            fold,
            make_proxies("basis table", fold.features, fold.labels, fold.fitted, fold.chosen, seed),
            fit_check(fold, "both", "likelihood ratio", window, True, seed),
            fit_check(fold, "correlation", "Pearson", window, True, seed),
        )
        for fold in folds
    ]


def answerable(check: FoldCheck, features: Sequence[Array], order: Rows) -> Bools:
    """What an answer is made from, (n, M): what is effectual; where nothing is, what lies inside its cloud.

    The device says ``unknown`` in the second case. An accuracy needs an answer from everybody.
    """
    trusted = check.trusted(features, order)
    return np.where(trusted.any(axis=1, keepdims=True), trusted, check.inside(features))


class _Rows:
    """Every row's accuracy on one fold, for one seed and one draw of the damage."""

    def __init__(self, equipped: Equipped, protocol: Protocol, shelf: NetShelf, seed: int) -> None:
        self._fold, self._proxies = equipped.fold, equipped.proxies
        self._equipped, self._protocol, self._shelf, self._seed = equipped, protocol, shelf, seed
        self._clean = scene(self._fold, protocol.in_context, self._proxies)
        plain = replace(protocol.recipe, drop=0.0)
        dropping = replace(protocol.recipe, drop=DROP)
        self.plain = shelf.net(self._fold, plain, seed, protocol.in_context)
        self.with_mean = shelf.net(self._fold, dropping, seed, protocol.in_context)
        self.with_proxies = shelf.net(self._fold, dropping, seed, protocol.in_context, self._proxies)
        self.oracle = {
            kept: shelf.net(self._fold, plain, seed, protocol.in_context, kept=kept)
            for kept in patterns(len(self._fold.features))
        }

    def by_pattern(self, kept: tuple[int, ...]) -> dict[str, Doubles]:
        """Some modalities are never there."""
        there = np.zeros((len(self._fold.labels), len(self._fold.features)), np.bool_)
        there[:, list(kept)] = True
        clean, mean = self._clean, self._clean.without_proxies()
        return {
            "mean, net trained on whole samples": right(self.plain, mean, there),
            "proxies, net trained on whole samples": right(self.plain, clean, there),
            "mean, net trained with the mean": right(self.with_mean, mean, there),
            "proxies, net trained with proxies": right(self.with_proxies, clean, there),
            "oracle": right(self.oracle[kept], mean, there),
        }

    def noisy(self, draw: int) -> dict[str, Doubles]:
        """Three samples in four are ruined."""
        fold = self._fold
        rng = np.random.default_rng([self._seed, draw])
        order = self._clean.order
        ruined = np.zeros((len(fold.labels), len(fold.features)), np.bool_)
        for row, hit in zip(order, draw_ruined(len(order), len(fold.features), RUINED_SHARE, rng), strict=True):
            ruined[row[row >= 0]] = hit
        features = [with_noise(f, ruined[:, m], rng) for m, f in enumerate(fold.features)]
        noisy = scene(fold, self._protocol.in_context, self._proxies, features=features)
        mean = noisy.without_proxies()
        full, paper = (answerable(c, features, order) for c in (self._equipped.full, self._equipped.paper))
        return {
            "clean": right(self.plain, self._clean),
            "clean, with check and proxies": right(
                self.with_proxies, self._clean, answerable(self._equipped.full, fold.features, order)
            ),
            "noise, no check": right(self.plain, noisy),
            "noise, the paper's rule and proxies": right(self.with_proxies, noisy, paper),
            "noise, check, ruined become the mean": right(self.plain, mean, full),
            "noise, the same, net trained so": right(self.with_mean, mean, full),
            "noise, check and proxies, net trained on whole samples": right(self.plain, noisy, full),
            "noise, check and proxies, net trained with proxies": right(self.with_proxies, noisy, full),
            "noise, a faultless check and proxies": right(self.with_proxies, noisy, ~ruined),
            "oracle: a net for exactly what is left": self._oracle(~ruined),
        }

    def _oracle(self, there: Bools) -> Doubles:
        out, clean = np.zeros(len(self._fold.test)), self._clean.without_proxies()
        for kept, net in self.oracle.items():
            mask = np.isin(np.arange(there.shape[1]), kept)
            mine = (there[self._fold.test] == mask).all(axis=1)
            if mine.any():
                out[mine] = right(net, clean, np.broadcast_to(mask, there.shape))[mine]
        return out


def noise_protocol(
    equipped: Sequence[Equipped], protocol: Protocol, shelf: NetShelf, seed: int, tick: Callable[[], None]
) -> tuple[list[Table], list[Figure]]:
    """Accuracies with noise and with every pattern of missing modalities, beside the oracle's.

    Args:
        tick: called when a fold's net seed is done.
    """
    noisy: dict[str, list[Doubles]] = {}
    missing: dict[tuple[int, ...], dict[str, list[Doubles]]] = {}
    for net_seed in protocol.seeds:
        parts_noisy: dict[str, list[Doubles]] = {}
        parts_missing: dict[tuple[int, ...], dict[str, list[Doubles]]] = {}
        for one in equipped:
            rows = _Rows(one, protocol, shelf, net_seed)
            drawn = [rows.noisy(draw) for draw in range(protocol.draws)]
            for name in drawn[0]:
                parts_noisy.setdefault(name, []).append(np.mean([d[name] for d in drawn], axis=0))
            for kept in patterns(len(one.fold.features)):
                for name, values in rows.by_pattern(kept).items():
                    parts_missing.setdefault(kept, {}).setdefault(name, []).append(values)
            tick()
        for name, parts in parts_noisy.items():
            noisy.setdefault(name, []).append(np.concatenate(parts))
        for kept, by_name in parts_missing.items():
            for name, parts in by_name.items():
                missing.setdefault(kept, {}).setdefault(name, []).append(np.concatenate(parts))
    rows_of = np.concatenate([one.fold.test for one in equipped])
    person = equipped[0].fold.person[rows_of]
    title = f"{protocol.name}{', in context' if protocol.in_context else ''}"
    key = f"{protocol.name}{'-context' if protocol.in_context else ''}"
    scored = {name: np.mean(values, axis=0) for name, values in noisy.items()}
    return [
        _noise_table(title, key, scored, person, equipped[0].fold.labels[rows_of], protocol, seed),
        _missing_table(title, key, equipped[0].fold, missing),
    ], [_gap_figure(title, scored, person, seed)]


def _noise_table(
    title: str,
    key: str,
    scored: dict[str, Doubles],
    person: NDArray[np.str_],
    labels: NDArray[np.int64],
    protocol: Protocol,
    seed: int,
) -> Table:
    oracle = scored["oracle: a net for exactly what is left"]
    rows: list[list[Cell]] = []
    for name, hits in scored.items():
        accuracy, low, high = accuracy_interval(hits, person, seed)
        recall = float(np.mean([hits[labels == c].mean() for c in np.unique(labels)]))
        gap, gap_low, gap_high = accuracy_interval(hits - oracle, person, seed)
        rows.append([name, accuracy, low, high, gap, gap_low, gap_high, recall])
    unit = "video (for the whole of it; the check looks at 8 samples)" if protocol.in_context else "sample"
    return Table(
        key=f"{key}-noise",
        section="damage",
        title=f"{title}: three in four ruined by noise",
        text=f"At least one modality of 75 % of the test {unit.split(' (')[0]}s is drowned in Gaussian noise at SNR "
        f"0.01; what is ruined is drawn for each {unit}, {protocol.draws} times, and every row means "
        f"{len(protocol.seeds)} net seeds. The oracle knows what is ruined, and is a net of the same kind trained for "
        "exactly the modalities left. Intervals: 95 %, people drawn anew. Where nothing is effectual, the device "
        "says 'unknown'; here the answer is then made from what lies inside its cloud. Accuracy "
        "favours whoever guesses the class that is frequent in the test; mean recall does not. " + protocol.text,
        columns=["", "accuracy", "low", "high", "minus oracle", "low ", "high ", "mean recall"],
        rows=rows,
    )


def _missing_table(title: str, key: str, fold: Fold, missing: dict[tuple[int, ...], dict[str, list[Doubles]]]) -> Table:
    names = list(next(iter(missing.values())))
    return Table(
        key=f"{key}-missing",
        section="missing",
        title=f"{title}: every pattern of missing modalities",
        text="Accuracy on all test samples when a modality is never there. In its place stands its mean, or proxies "
        "from what is there. The oracle is a net of the same kind trained for exactly the modalities left.",
        columns=["missing", *names],
        rows=[
            [pattern_name(fold.modalities, kept), *(float(np.mean(by_name[name])) for name in names)]
            for kept, by_name in missing.items()
        ],
    )


def _gap_figure(title: str, scored: dict[str, Doubles], person: NDArray[np.str_], seed: int) -> Figure:
    gap = (
        scored["noise, check and proxies, net trained with proxies"] - scored["oracle: a net for exactly what is left"]
    )
    value, low, high = accuracy_interval(gap, person, seed)
    return Figure(
        part="check and proxies",
        data=title,
        split="test people, 75 % ruined",
        name="accuracy minus the oracle's",
        value=value,
        low=low,
        high=high,
        samples=len(person),
        reach=-WITHIN,
        note="the oracle is a net for exactly the modalities left",
    )
