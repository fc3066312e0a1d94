"""Which rule of the check serves the fusion best when damage lasts: by noise, and by another person's features."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from export.evaluate.evaluation import Cell, Table
from export.evaluate.fold_check import FoldCheck, fit_check
from export.evaluate.net_shelf import NetShelf, right, scene
from export.evaluate.noise_protocol import DROP, RUINED_SHARE, Equipped, Protocol, answerable
from export.evaluate.pair_damage import damaged, draw_ruined, with_noise
from export.evaluate.pair_folds import Array, Fold, in_order

_RULES: dict[str, Callable[[Fold, int], FoldCheck]] = {
    "correlation alone (the paper's), a sample": lambda f, seed: fit_check(f, "correlation", "Pearson", 1, True, seed),
    "correlation alone, last 8": lambda f, seed: fit_check(f, "correlation", "Pearson", 8, True, seed),
    "likelihood ratio alone, last 8": lambda f, seed: fit_check(f, "correlation", "likelihood ratio", 8, True, seed),
    "density alone": lambda f, seed: fit_check(f, "density", "likelihood ratio", 1, True, seed),
    "density and likelihood ratio, a sample": lambda f, seed: fit_check(f, "both", "likelihood ratio", 1, True, seed),
    "density and likelihood ratio, last 8": lambda f, seed: fit_check(f, "both", "likelihood ratio", 8, True, seed),
    "the same, every partner must agree": lambda f, seed: fit_check(f, "both", "likelihood ratio", 8, False, seed),
}


def rule_study(
    equipped: Sequence[Equipped], protocol: Protocol, shelf: NetShelf, seed: int, tick: Callable[[], None]
) -> Table:
    """Accuracy of the fusion behind each rule; people are ruined as a whole, so that evidence can gather."""
    conditions = ("clean", "noise", "stranger")
    found: dict[str, dict[str, list[NDArray[np.float64]]]] = {}
    for one in equipped:
        checks: dict[str, FoldCheck | None] = {"no check": None}
        checks |= {name: make(one.fold, seed) for name, make in _RULES.items()}
        for draw in range(protocol.draws):
            ruined, by_condition = _ruined(one.fold, seed + draw)
            for condition in conditions:
                features = by_condition[condition]
                order = in_order(one.fold, one.fold.test, in_context=True)
                trusts = {
                    name: np.ones_like(ruined) if check is None else answerable(check, features, order)
                    for name, check in checks.items()
                }
                on = scene(one.fold, protocol.in_context, one.proxies, features=features)
                trusts["a faultless check"] = ~ruined if condition != "clean" else np.ones_like(ruined)
                for name, trusted in trusts.items():
                    for net_seed in protocol.seeds:
                        net = shelf.net(
                            one.fold,
                            replace(protocol.recipe, drop=DROP),
                            net_seed,
                            protocol.in_context,
                            one.proxies,
                        )
                        hits = right(net, on, trusted)
                        found.setdefault(name, {}).setdefault(condition, []).append(hits)
        tick()
    rows: list[list[Cell]] = [
        [name, *(float(np.mean(np.concatenate(by_condition[condition]))) for condition in conditions)]
        for name, by_condition in found.items()
    ]
    return Table(
        key=f"{protocol.name}-rule-accuracy",
        section="open questions",
        title=f"{protocol.name}: the fusion behind each rule of the check",
        text="Accuracy of the fusion trained with proxies. At least one modality of 75 % of the test people is ruined "
        "for their whole sequence: by noise at SNR 0.01, or by another person's features. Where a rule leaves nothing, "
        "the device says 'unknown'; here the answer is then made from what lies inside its cloud. "
        f"Means of {protocol.draws} draws and {len(protocol.seeds)} net seeds.",
        columns=["rule", *conditions],
        rows=rows,
    )


def _ruined(fold: Fold, seed: int) -> tuple[NDArray[np.bool_], dict[str, Sequence[Array]]]:
    rng = np.random.default_rng(seed)
    order = in_order(fold, fold.test, in_context=True)
    ruined = np.zeros((len(fold.labels), len(fold.features)), np.bool_)
    for row, hit in zip(order, draw_ruined(len(order), len(fold.features), RUINED_SHARE, rng), strict=True):
        ruined[row[row >= 0]] = hit
    strangers = [
        np.where(ruined[:, m, None], damaged(fold, m, fold.test, "stranger", seed), f)
        for m, f in enumerate(fold.features)
    ]
    noisy = [with_noise(f, ruined[:, m], rng) for m, f in enumerate(fold.features)]
    return ruined, {"clean": fold.features, "noise": noisy, "stranger": strangers}
