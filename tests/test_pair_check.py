"""The check of many samples at once: against the device's own, and on made pairs of known answer."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.m3er.check import ModalityCheck, density
from edge.reading import MODALITIES, PAIRS, pair_name
from tests.made_bundle import DIM, random_tables

pytest.importorskip("torch")
pytest.importorskip("cca_zoo")
from export.evaluate.fold_check import fit_check, roc_area
from export.evaluate.pair_damage import damaged
from export.evaluate.pair_folds import Fold, halves_of_test, in_order
from export.fit.pair_check import (
    Canonical,
    Limits,
    Seen,
    accumulated,
    best_limits,
    densities,
    density_limits,
    effectual,
    log_likelihood_ratio,
    pair_score,
    share_losing,
)
from tests.made_pairs import made_pairs

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def fold() -> Fold:
    return halves_of_test(made_pairs(), 0)[0]


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, window=st.integers(1, 5), steps=st.integers(1, 9))
def test_the_check_of_many_samples_is_the_devices_check_of_each(seed: int, window: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng)
    silent = np.append(np.zeros(DIM), -1.0).astype(np.float32)
    tables = replace(tables, damage=dict.fromkeys(MODALITIES, silent))  # a detector that these pairs do not have
    features = [rng.normal(0.0, rng.choice([0.9, 1.3]), (steps, DIM)).astype(np.float32) for _ in MODALITIES]
    order = np.arange(steps)[None]
    inside = np.stack(
        [
            densities(tables.whiten[m], f, tables.density_limit[m]) <= 1
            for m, f in zip(MODALITIES, features, strict=True)
        ],
        axis=1,
    )
    scores, agree = {}, {}
    for a, b in combinations(range(3), 2):
        i, j = MODALITIES[a], MODALITIES[b]
        zero, one = np.zeros((2, 3)), np.ones((2, 3))
        canonical = Canonical(tables.projection[i, j], tables.projection[j, i], zero, one, np.ones(3))
        scores[i, j] = pair_score(canonical, features[a], features[b], "Pearson", order, window)
        agree[a, b] = scores[i, j] >= tables.threshold[pair_name(i, j)]
    trusted = effectual(inside, agree)
    check = ModalityCheck(tables, window, 0.0)
    for step in range(steps):
        seen = {m: f[step] for m, f in zip(MODALITIES, features, strict=True)}
        verdict = check.step(seen, dict.fromkeys(MODALITIES, 1.0))
        for m, f in zip(MODALITIES, features, strict=True):
            one_density = densities(tables.whiten[m], f, tables.density_limit[m])[step]
            assert one_density == pytest.approx(density(tables, m, f[step]), rel=1e-4)
        for i, j in PAIRS:
            assert scores[i, j][step] == pytest.approx(verdict.correlation[pair_name(i, j)], abs=1e-4)
        near = [abs(scores[pair][step] - tables.threshold[pair_name(*pair)]) for pair in PAIRS]
        if min(near) > 1e-4 and all(abs(d - 1) > 1e-4 for d in verdict.density.values()):
            assert {m for m, good in zip(MODALITIES, trusted[step], strict=True) if good} == verdict.effectual


@settings(max_examples=50, deadline=None)
@given(u=st.floats(-9, 9), v=st.floats(-9, 9), c=st.floats(0.0, 0.98))
def test_the_likelihood_ratio_is_that_of_two_gaussians(u: float, v: float, c: float) -> None:
    covariance, both = np.array([[1.0, c], [c, 1.0]]), np.array([u, v])
    pair = -0.5 * (np.log(np.linalg.det(covariance)) + both @ np.linalg.solve(covariance, both))
    strangers = -0.5 * (both @ both)  # both densities have the same 2 pi
    found = log_likelihood_ratio(np.array([u]), np.array([v]), np.array([c]))[0]
    assert found == pytest.approx(pair - strangers, abs=1e-6 * (1 + abs(pair)))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, window=st.integers(1, 6))
def test_sums_are_over_the_last_samples_of_the_same_sequence(seed: int, window: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(9, 2))
    order = np.array([[4, 1, 7, 2], [8, 0, -1, -1]])  # 3, 5 and 6 are in none
    found = accumulated(values, order, window)
    for row in ([4, 1, 7, 2], [8, 0]):
        for place, sample in enumerate(row):
            expected = values[row[max(0, place + 1 - window) : place + 1]].sum(axis=0)
            np.testing.assert_allclose(found[sample], expected, atol=1e-12)
    assert not found[[3, 5, 6]].any()


@settings(max_examples=40, deadline=None)
@given(
    good=st.lists(st.integers(-3, 3), min_size=1, max_size=9), bad=st.lists(st.integers(-3, 3), min_size=1, max_size=9)
)
def test_the_roc_area_is_the_share_of_pairs_in_the_right_order(good: list[int], bad: list[int]) -> None:
    expected = np.mean([1.0 if g > b else 0.5 if g == b else 0.0 for g in good for b in bad])
    assert roc_area(np.array(good, float), np.array(bad, float)) == pytest.approx(expected)


def test_one_partner_suffices_or_all_must_agree() -> None:
    inside = np.array([[True, True, True]] * 3 + [[True, True, False], [True, False, False], [False] * 3])
    agree = {
        (0, 1): np.array([True, True, False, False, True, True]),
        (0, 2): np.array([True, False, False, True, True, True]),
        (1, 2): np.array([True, False, False, True, True, True]),
    }
    one = [[1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]]
    every = [[1, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(effectual(inside, agree), np.array(one, bool))
    np.testing.assert_array_equal(effectual(inside, agree, one_suffices=False), np.array(every, bool))
    np.testing.assert_array_equal(effectual(inside, {}), inside)


@pytest.mark.parametrize("window", [1, 4])
def test_the_check_finds_noise_and_strangers_and_lets_the_good_pass(window: int, fold: Fold) -> None:
    check = fit_check(fold, "both", "likelihood ratio", window, True, seed=0)
    order = in_order(fold, fold.test, in_context=True)
    clean = check.trusted(fold.features, order)
    assert share_losing(clean[fold.test], fold.person[fold.test]) < 0.12
    for damage, least in (("noise", 1.0), ("stranger", 0.6 if window == 1 else 0.9)):
        features = [damaged(fold, 0, fold.test, damage, 0), *fold.features[1:]]  # type: ignore[arg-type]
        trusted = check.trusted(features, order)[fold.test]
        assert (~trusted[:, 0]).mean() >= least
        assert trusted[:, 1:].mean() > 0.85


def test_density_alone_is_blind_to_strangers_and_the_papers_score_nearly_blind_to_noise(fold: Fold) -> None:
    order = in_order(fold, fold.test, in_context=True)
    stranger = [damaged(fold, 1, fold.test, "stranger", 0) if m == 1 else f for m, f in enumerate(fold.features)]
    noise = [damaged(fold, 1, fold.test, "noise", 0) if m == 1 else f for m, f in enumerate(fold.features)]
    by_density = fit_check(fold, "density", "Pearson", 1, True, seed=0)
    by_correlation = fit_check(fold, "correlation", "Pearson", 1, True, seed=0)
    assert by_density.trusted(stranger, order)[fold.test, 1].mean() > 0.9
    assert not by_density.trusted(noise, order)[fold.test, 1].any()
    assert by_correlation.trusted(noise, order)[fold.test, 1].mean() > 0.2


def _best(clean: np.ndarray, ruined: np.ndarray, at_most: float) -> float:
    """The density limit that is chosen from one modality's densities."""

    def limits(density: tuple[float, ...]) -> Limits:
        return Limits(density, {}, True)

    seen = Seen(clean[:, None], {})
    tried = density_limits(
        clean[:, None], at_most, lambda d: float((~limits(d).trusted(seen, len(clean)).all(axis=1)).mean())
    )
    bad = [(0, Seen(ruined[:, None], {}))]
    return best_limits([limits(d) for d in tried], seen, bad, len(clean)).density[0]


def test_limits_lose_nothing_where_that_finds_all_and_what_they_may_where_it_helps() -> None:
    clean = np.linspace(0.5, 1.5, 400)
    far = _best(clean, np.full(400, 100.0), 0.05)  # noise: room between the two, for people unlike these
    assert 1.5 * clean.max() < far < 50.0
    hard = _best(clean, np.linspace(1.45, 1.5, 400), 0.05)  # just inside: worth its cost
    assert 0.0 < (clean > hard).mean() <= 0.05
    assert _best(clean, np.full(400, 1.0), 0.05) >= clean.max()  # hopeless: nothing is lost in vain
