"""Ways to regenerate a modality, side by side: what they explain, and what the fusion makes of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from export.evaluate.evaluation import Cell, ProxyPicture, ProxyRow, Table
from export.evaluate.net_shelf import NetShelf, right, scene
from export.evaluate.noise_protocol import DROP, Equipped, Protocol
from export.evaluate.pair_damage import with_noise
from export.evaluate.pair_folds import Array, Fold
from export.fit.basis import explained_share
from export.fit.pair_proxies import KINDS, Proxies, Way, make_proxies

PICTURED = 12


def proxy_study(
    equipped: Sequence[Equipped], protocol: Protocol, shelf: NetShelf, seed: int, tick: Callable[[], None]
) -> list[Table]:
    """Each kind of proxy in place of each modality: variance explained; accuracy without and with training on it."""
    names = equipped[0].fold.modalities
    ways = list(equipped[0].proxies.makers)
    columns = ["proxy", *(f"{names[i]} from {names[j]}" for j, i in ways)]
    explained: list[list[Cell]] = []
    accuracy: list[list[Cell]] = []
    for kind in KINDS:
        made = [
            one.proxies
            if kind == "basis table"
            else make_proxies(kind, one.fold.features, one.fold.labels, one.fold.fitted, one.fold.chosen, seed)
            for one in equipped
        ]
        explained.append([kind, *(_explained(equipped, made, way) for way in ways)])
        by_training = [
            [_accuracy(equipped, made, protocol, shelf, m, trained, True) for m in range(len(names))]
            for trained in (False, True)
        ]
        accuracy.append([kind, *by_training[0], *by_training[1]])
        tick()
    tables = [
        Table(
            key=f"{protocol.name}-proxies",
            section="proxies",
            title=f"{protocol.name}: what proxies explain",
            text="Share of the variance of a modality's features, on test people, that its proxies explain; 0 is what "
            "the mean explains, below 0 is harm. The strength of each ridge was chosen on other people. 'Basis table' "
            "is the paper's way, which the device takes.",
            columns=columns,
            rows=explained,
        ),
        Table(
            key=f"{protocol.name}-proxies-accuracy",
            section="proxies",
            title=f"{protocol.name}: accuracy with proxies in place of a modality",
            text="A modality is never there; proxies from all others take its place, weighted by what they explain. "
            "First with a fusion that never met a proxy in training, then with one that did: this kind, in a third of "
            "the samples.",
            columns=[
                "proxy",
                *(f"no {m}" for m in names),
                *(f"no {m}, trained with them" for m in names),
            ],
            rows=accuracy,
        ),
    ]
    if len(names) > 2:
        tables.append(_weighting(equipped, protocol, shelf))
    return tables


def _explained(equipped: Sequence[Equipped], made: Sequence[Proxies], way: Way) -> float:
    j, i = way
    shares = []
    for one, proxies in zip(equipped, made, strict=True):
        target = one.fold.features[i][one.fold.test]
        proxy = proxies.makers[way](one.fold.features[j][one.fold.test]) if way in proxies.makers else 0 * target
        shares.append(explained_share(target, proxy))
    return float(np.mean(shares))


def _without(fold: Fold, modality: int) -> NDArray[np.bool_]:
    there = np.ones((len(fold.labels), len(fold.features)), np.bool_)
    there[:, modality] = False
    return there


def _accuracy(
    equipped: Sequence[Equipped],
    made: Sequence[Proxies],
    protocol: Protocol,
    shelf: NetShelf,
    missing: int,
    trained: bool,
    weighted: bool,
) -> float:
    hits = []
    recipe = replace(protocol.recipe, drop=DROP if trained else 0.0)
    for one, proxies in zip(equipped, made, strict=True):
        given = proxies if proxies.makers else None  # zero is what stands where there are no proxies
        on = scene(one.fold, protocol.in_context, given, weighted)
        for seed in protocol.seeds:
            net = shelf.net(one.fold, recipe, seed, protocol.in_context, given if trained else None)
            hits.append(right(net, on, _without(one.fold, missing)))
    return float(np.mean(np.concatenate(hits)))


def _weighting(equipped: Sequence[Equipped], protocol: Protocol, shelf: NetShelf) -> Table:
    names = equipped[0].fold.modalities
    made = [one.proxies for one in equipped]
    rows: list[list[Cell]] = []
    for title, weighted in (("weighted by what they explain", True), ("plain average", False)):
        shares = [float(np.mean([_mixed_share(one, m, weighted) for one in equipped])) for m in range(len(names))]
        scores = [_accuracy(equipped, made, protocol, shelf, m, True, weighted) for m in range(len(names))]
        rows.append([title, *shares, *scores])
    return Table(
        key=f"{protocol.name}-proxy-weights",
        section="proxies",
        title=f"{protocol.name}: two proxies into one",
        text="With two modalities left, the mean of both proxies: what it explains, and the fusion's accuracy.",
        columns=["mean", *(f"{m} explained" for m in names), *(f"accuracy, no {m}" for m in names)],
        rows=rows,
    )


def _mixed_share(one: Equipped, target: int, weighted: bool) -> float:
    fold = one.fold
    return explained_share(
        fold.features[target][fold.test], regenerated(one.proxies, fold.features, target, weighted)[fold.test]
    )


def regenerated(proxies: Proxies, features: Sequence[Array], target: int, weighted: bool = True) -> Array:
    """The weighted mean of the proxies of `target` from all other modalities, float32 (n, size)."""
    skills = proxies.skills(len(features), weighted)
    sources = [j for j in range(len(features)) if j != target]
    total = sum(float(skills[j, target]) for j in sources)
    mixed: Array = np.sum(
        [proxies.makers[j, target](features[j]) * (skills[j, target] / total) for j in sources],
        axis=0,
        dtype=np.float32,
    )
    return mixed


def proxy_picture(name: str, one: Equipped, target: int, label_names: Sequence[str], seed: int) -> ProxyPicture:
    """True, drowned and regenerated features of some test samples of as many people, the paper's figure 7."""
    fold = one.fold
    rng = np.random.default_rng(seed)
    _, first = np.unique(fold.person[fold.test], return_index=True)
    samples = np.sort(rng.permutation(fold.test)[:PICTURED])
    if len(first) >= PICTURED:
        people = rng.permutation(np.unique(fold.person[fold.test]))[:PICTURED]
        samples = np.array([rng.choice(fold.test[fold.person[fold.test] == person]) for person in people])
    true = fold.features[target]
    noisy = with_noise(true, np.ones(len(true), np.bool_), rng)
    proxy = regenerated(one.proxies, fold.features, target)
    modality = fold.modalities[target]
    return ProxyPicture(
        title=f"{name}: {modality} features, true, drowned in noise, regenerated",
        text=f"Standardised {modality} features of {len(samples)} test samples. Noise at SNR 0.01; the proxies are "
        "made from the other modalities alone.",
        modality=modality,
        rows=[
            ProxyRow(
                name=label_names[fold.labels[n]],
                true=true[n].tolist(),
                noisy=noisy[n].tolist(),
                regenerated=proxy[n].tolist(),
            )
            for n in samples
        ],
    )
