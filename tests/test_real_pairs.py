"""The method on pairs that come as features: the maths against the device's own, and made pairs of known answer."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.m3er.proxy import ProxyTable
from edge.reading import MODALITIES
from tests.made_bundle import DIM, random_tables

torch = pytest.importorskip("torch")
pytest.importorskip("cca_zoo")
from export.evaluate.evaluation import Evaluation  # noqa: E402
from export.evaluate.intervals import accuracy_interval  # noqa: E402
from export.evaluate.net_shelf import NetShelf, right, scene  # noqa: E402
from export.evaluate.noise_protocol import Protocol, equip, noise_protocol  # noqa: E402
from export.evaluate.pair_damage import SNR, damaged, draw_ruined, patterns, with_noise  # noqa: E402
from export.evaluate.pair_folds import Fold, folds_by_person, halves_of_test, in_order, sequences  # noqa: E402
from export.evaluate.proxy_study import proxy_picture, proxy_study, regenerated  # noqa: E402
from export.evaluate.rule_study import rule_study  # noqa: E402
from export.fit.basis import explained_share  # noqa: E402
from export.fit.pair_proxies import KINDS, Proxies, from_basis, make_proxies  # noqa: E402
from export.nets.fusion import STATE_SIZES, FusionStep  # noqa: E402
from export.nets.memory_fusion import MemoryFusion  # noqa: E402
from export.nets.pair_fusion import Fusion, Recipe, Sequences, train_pair_fusion  # noqa: E402
from tests.made_pairs import made_pairs  # noqa: E402

Array = NDArray[np.float32]
SEEDS = st.integers(0, 2**32 - 1)
RECIPE = Recipe("multiplicative, M3ER", (0.0, 0.0, 0.0), 0.0, 0.01, 2e-2, epochs=6, batch=32, hidden=8, memory=8)


@pytest.fixture(scope="module")
def fold() -> Fold:
    return halves_of_test(made_pairs(), 0)[0]


# The net


@pytest.mark.parametrize("seed", [0, 1])
def test_the_net_over_sequences_is_the_step_that_ships_step_after_step(seed: int) -> None:
    torch.manual_seed(seed)
    step = FusionStep(5).eval()
    net = MemoryFusion([64, 64, 64], 5).eval()
    net.load_state_dict(step.state_dict())
    features = [torch.randn(4, 7, 64) for _ in MODALITIES]
    state = [torch.zeros(4, size) for size in STATE_SIZES.values()]
    with torch.no_grad():
        joint, own = net(features)
        for number in range(7):
            expected, expected_own, *state = step(*(f[:, number] for f in features), *state)
            torch.testing.assert_close(joint[:, number], expected, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(own[:, number], expected_own, atol=1e-5, rtol=1e-4)


def given_sequences(seed: int, with_proxies: bool) -> Sequences:
    """Two of 4 and 2 steps, of two modalities of 3 and 2 numbers."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([[0, 1, 0, 1], [1, 0, -1, -1]])
    first, second = (torch.randn(2, 4, size, generator=generator) for size in (3, 2))
    proxies = {(0, 1): 10.0 + second, (1, 0): 10.0 + first} if with_proxies else {}
    return Sequences((first, second), labels, proxies, torch.tensor([[0.0, 0.3], [0.6, 0.0]]))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, with_proxies=st.booleans())
def test_what_is_not_effectual_becomes_a_proxy_from_what_is_or_the_mean(seed: int, with_proxies: bool) -> None:
    given_ = given_sequences(seed, with_proxies)
    effectual_ = torch.rand(2, 4, 2, generator=torch.Generator().manual_seed(seed + 1)) < 0.5
    filled = given_.filled(effectual_)
    for n, step, m in np.ndindex(2, 4, 2):
        expected = given_.features[m][n, step]
        if not effectual_[n, step, m]:
            usable = with_proxies and bool(effectual_[n, step, 1 - m])
            expected = given_.proxies[1 - m, m][n, step] if usable else torch.zeros_like(expected)
        torch.testing.assert_close(filled[m][n, step], expected)


@pytest.mark.parametrize("fusion", get_args(Fusion))
def test_every_fusion_learns_what_is_easy(fusion: Fusion, fold: Fold) -> None:
    net = NetShelf().net(fold, replace(RECIPE, fusion=fusion), seed=0, in_context=False)
    assert right(net, scene(fold, in_context=False)).mean() > 0.9


def test_only_reading_in_both_directions_knows_the_future() -> None:
    """The class of a step is told one step later."""
    rng = np.random.default_rng(0)
    told = rng.integers(0, 2, (200, 6))
    features = torch.from_numpy(np.where(told, 1.0, -1.0).astype(np.float32)[:, :, None])
    labels = torch.from_numpy(np.roll(told, -1, axis=1))
    labels[:, -1] = 0
    given_ = Sequences((features, torch.zeros(200, 6, 1)), labels, {}, torch.zeros(2, 2))
    scores = {}
    for both in (False, True):
        recipe = replace(RECIPE, fusion="joint", noise=(0.0, 0.0), both_directions=both, epochs=12, hidden=16)
        net = train_pair_fusion(given_, 2, recipe, seed=0)
        guess = net(given_.features, labels >= 0)[0].argmax(dim=2)
        scores[both] = float((guess == labels)[:, :-1].float().mean())
    assert scores[False] < 0.65 and scores[True] > 0.95


def test_what_follows_a_sequences_end_changes_nothing() -> None:
    given_ = given_sequences(0, with_proxies=False)
    net = train_pair_fusion(given_, 2, replace(RECIPE, noise=(0.0, 0.0), both_directions=True, epochs=1), seed=0)
    there = given_.labels >= 0
    before = net(given_.features, there)[0][there]
    changed = [torch.where(there[..., None], f, 99.0) for f in given_.features]
    torch.testing.assert_close(net(changed, there)[0][there], before)


def test_a_net_that_may_not_see_a_modality_knows_nothing_of_it(fold: Fold) -> None:
    features = (fold.features[0], np.random.default_rng(0).normal(size=fold.features[1].shape).astype(np.float32))
    two = replace(fold, modalities=fold.modalities[:2], features=features)
    recipe = replace(RECIPE, noise=(0.0, 0.0))
    blind = NetShelf().net(two, recipe, 0, in_context=False, kept=(1,))
    seeing = NetShelf().net(two, recipe, 0, in_context=False, kept=(0,))
    assert right(blind, scene(two, False)).mean() < 0.7 < 0.9 < right(seeing, scene(two, False)).mean()


def test_a_net_is_trained_once_for_the_same_samples_and_anew_for_others(fold: Fold) -> None:
    shelf, recipe = NetShelf(), replace(RECIPE, epochs=1)
    other_half = replace(fold, chosen=fold.test, test=fold.chosen)
    scaled = replace(fold, features=tuple(2 * f for f in fold.features))
    proxies = make_proxies("class mean", fold.features, fold.labels, fold.fitted, fold.chosen, 0)
    first = shelf.net(fold, recipe, 0, False)
    assert shelf.net(other_half, recipe, 0, False) is first
    others = [
        shelf.net(scaled, recipe, 0, False),
        shelf.net(fold, recipe, 1, False),
        shelf.net(fold, recipe, 0, True),
        shelf.net(fold, recipe, 0, False, proxies),
        shelf.net(fold, recipe, 0, False, kept=(0,)),
    ]
    assert len({id(net) for net in (first, *others)}) == 6


# Proxies


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, neighbours=st.integers(1, 15), ridge=st.floats(0.5, 10.0))
def test_proxies_of_many_samples_are_the_devices_of_each(seed: int, neighbours: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng)
    features = rng.normal(size=(5, DIM)).astype(np.float32)
    made = from_basis(tables.basis["text"], tables.basis["face"], neighbours, ridge, features)
    device = ProxyTable(tables, neighbours, ridge)
    for feature, proxy in zip(features, made, strict=True):
        np.testing.assert_allclose(proxy, device.from_one("face", "text", feature), atol=2e-4 * (1 + abs(proxy).max()))


@pytest.mark.parametrize(("kind", "least"), [("basis table", 0.4), ("ridge regression", 0.5), ("class mean", 0.15)])
def test_proxies_explain_what_modalities_share(kind: str, least: float, fold: Fold) -> None:
    proxies = make_proxies(kind, fold.features, fold.labels, fold.fitted, fold.chosen, 0)  # type: ignore[arg-type]
    for (_, i), made in proxies.of(fold.features).items():
        assert explained_share(fold.features[i][fold.test], made[fold.test]) > least


def test_two_proxies_are_weighted_by_what_they_explain() -> None:
    features = [np.ones((2, 3), np.float32)] * 3
    makers: dict[tuple[int, int], Callable[[Array], Array]] = {
        (j, i): partial(np.multiply, np.float32(j)) for j, i in permutations(range(3), 2)
    }
    proxies = Proxies(makers, {way: {0: 0.6, 1: 0.2, 2: -1.0}[way[0]] for way in makers})
    np.testing.assert_allclose(regenerated(proxies, features, 2), 0.25)
    np.testing.assert_allclose(regenerated(proxies, features, 2, weighted=False), 0.5)
    np.testing.assert_allclose(regenerated(proxies, features, 1), 2 * 0.01 / 0.61, rtol=1e-5)  # harm counts next to 0


# Splits, damage and intervals


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), folds=st.integers(4, 6))
def test_nobody_is_fitted_chosen_on_and_tested_at_once(seed: int, folds: int) -> None:
    pairs = made_pairs(people=13, each=4)
    every = folds_by_person(pairs, folds, seed)
    assert sorted(np.concatenate([fold.test for fold in every])) == list(range(52))
    for fold in (*every, *halves_of_test(pairs, seed)):
        fitted, chosen, final, test = (
            set(fold.person[rows]) for rows in (fold.fitted, fold.chosen, fold.final, fold.test)
        )
        assert not fitted & chosen and not fitted & test and not chosen & test and not final & test
        assert fitted <= final
        for f in fold.features:
            np.testing.assert_allclose(f[fold.fitted].mean(axis=0), 0.0, atol=1e-4)


def test_each_fold_gets_the_speech_features_of_its_own_encoder() -> None:
    pairs = made_pairs(people=12, each=4)
    given_ = np.random.default_rng(0).normal(size=(4, 48, 2)).astype(np.float32)
    for number, fold in enumerate(folds_by_person(pairs, 4, 0, lambda k: given_[k])):
        f = given_[number]
        np.testing.assert_allclose(fold.features[1], (f - f[fold.fitted].mean(0)) / f[fold.fitted].std(0), atol=1e-4)


def test_sequences_are_a_persons_samples_in_order_of_time(fold: Fold) -> None:
    order = in_order(fold, fold.test, in_context=True)
    assert sorted(order[order >= 0]) == sorted(fold.test)
    for row in order:
        row = row[row >= 0]
        assert len(set(fold.person[row])) == 1 and (np.diff(fold.position[row]) > 0).all()
    laid = sequences(fold, order)
    np.testing.assert_array_equal(laid.features[1][0, 3], fold.features[1][order[0, 3]])
    np.testing.assert_array_equal(laid.labels[order < 0], -1)


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, count=st.integers(4, 200), modalities=st.integers(2, 3))
def test_as_many_are_ruined_as_asked_for_and_none_wholly(seed: int, count: int, modalities: int) -> None:
    ruined = draw_ruined(count, modalities, 0.75, np.random.default_rng(seed))
    assert ruined.any(axis=1).sum() == round(0.75 * count)
    assert not ruined.all(axis=1).any()


def test_noise_is_a_hundred_times_as_strong_as_the_features_and_hits_only_what_it_should() -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(0.0, 2.0, (400, 30)).astype(np.float32)
    ruined = rng.random(400) < 0.5
    noise = with_noise(clean, ruined, rng) - clean
    assert not noise[~ruined].any()
    assert np.square(noise[ruined]).mean() == pytest.approx(np.square(clean).mean() / SNR, rel=0.05)


def test_strangers_are_others_and_what_is_stale_is_ones_own_from_before(fold: Fold) -> None:
    clean = fold.features[0]
    owner = {row.tobytes(): k for k, row in enumerate(clean)}
    stranger, stale = (damaged(fold, 0, fold.test, damage, 0) for damage in ("stranger", "stale"))
    for row in in_order(fold, fold.test, in_context=True):
        row = row[row >= 0]
        for place, sample in enumerate(row):
            assert fold.person[owner[stranger[sample].tobytes()]] != fold.person[sample]
            assert owner[stale[sample].tobytes()] == row[max(place - 3, 0)]
    untouched = np.setdiff1d(np.arange(len(clean)), fold.test)
    np.testing.assert_array_equal(stranger[untouched], clean[untouched])


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_an_interval_holds_the_mean_and_is_wide_where_people_differ(seed: int) -> None:
    rng = np.random.default_rng(seed)
    person = np.repeat([f"p{k}" for k in range(20)], 30)
    alike = rng.permutation(np.arange(600) % 2).astype(float)
    unlike = np.repeat(np.arange(20) % 2, 30).astype(float)
    widths = []
    for hits in (alike, unlike):
        mean, low, high = accuracy_interval(hits, person, 0)
        assert mean == pytest.approx(0.5) and low <= mean <= high
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


def test_every_set_of_modalities_that_may_be_left_is_tried_once() -> None:
    assert patterns(2) == [(0, 1), (0,), (1,)]
    assert len(set(patterns(3))) == 7


# The whole


def test_check_and_proxies_win_back_what_noise_takes_and_come_near_to_the_oracle() -> None:
    pairs = made_pairs(people=15)
    folds = halves_of_test(pairs, 0)
    protocol = Protocol("made", RECIPE, False, (0,), 1)
    shelf, ticks = NetShelf(), []
    equipped = equip(folds, protocol, 0)
    (noise, missing), (gap,) = noise_protocol(equipped, protocol, shelf, 0, lambda: ticks.append(1))
    accuracy = {str(row[0]): float(row[1]) for row in noise.rows if row[1] is not None}
    best = accuracy["noise, check and proxies, net trained with proxies"]
    assert accuracy["clean"] > 0.95
    assert best > accuracy["noise, no check"] + 0.1
    assert abs(best - accuracy["oracle: a net for exactly what is left"]) < 0.05
    assert gap.value == pytest.approx(best - accuracy["oracle: a net for exactly what is left"])
    assert [row[0] for row in missing.rows][:2] == ["all there", "no text"]
    tables = [noise, missing, *proxy_study(equipped[:1], protocol, shelf, 0, lambda: None)]
    tables.append(rule_study(equipped[:1], protocol, shelf, 0, lambda: None))
    by_rule = {str(row[0]): row[1:] for row in tables[-1].rows}
    assert by_rule["density alone"][1] > by_rule["no check"][1]  # type: ignore[operator]
    explained = {row[0]: row[1:] for row in tables[2].rows}
    assert set(explained) == set(KINDS) and explained["zero"] == pytest.approx([0.0] * 6)
    picture = proxy_picture("made", equipped[0], 1, pairs.label_names, 0)
    assert picture.modality == "speech"
    true, regenerated_ = (np.array([getattr(row, of) for row in picture.rows]) for of in ("true", "regenerated"))
    assert explained_share(true, regenerated_) > 0.4
    Evaluation(
        bundle="b", commit="c", command="m", machine="m", seed=0, made="2026-11-22", data="made",
        tables=tables, figures=[gap], proxies=[picture],
    )  # fmt: skip


def test_the_oracle_is_the_net_for_exactly_what_is_left(fold: Fold, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    shelf = NetShelf()
    ask = shelf.net

    def listen(*given_: object, **named: object) -> object:
        asked.append(named.get("kept"))
        return ask(*given_, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(shelf, "net", listen)
    protocol = Protocol("made", replace(RECIPE, epochs=1), False, (0,), 1)
    noise_protocol(equip([fold], protocol, 0), protocol, shelf, 0, lambda: None)
    assert {kept for kept in asked if kept is not None} == set(patterns(3))
