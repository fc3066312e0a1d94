"""Fitting the tables: each part finds what was planted, and all of it survives being stored."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.m3er.check import ModalityCheck, density
from edge.m3er.proxy import ProxyTable
from edge.m3er.tables import MalformedTables, Tables
from edge.reading import MODALITIES, PAIRS, Modality
from tests.made_bundle import DIM, random_tables

pytest.importorskip("sklearn")
pytest.importorskip("cca_zoo")
from export.fit.basis import basis_rows, choose_ridge, explained_by_proxies
from export.fit.canonical import projections
from export.fit.cloud import density_limit, standardisation, whitening
from export.fit.thresholds import set_thresholds

Array = NDArray[np.float32]
SEEDS = st.integers(0, 2**32 - 1)
WINDOW_STEPS = 4


def mixed(seed: int, n: int, dim: int = DIM) -> Array:
    """Features (n, dim) that are correlated, off centre and of unequal spread."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(0.0, 1.0, (dim, dim)) * rng.uniform(0.2, 3.0, dim)
    return (rng.normal(0.0, 1.0, (n, dim)) @ mix + rng.normal(0.0, 2.0, dim)).astype(np.float32)


def paired(rng: np.random.Generator, n: int, noise: float, dim: int = DIM) -> dict[Modality, Array]:
    """Standardised features (n, dim) that tell of the same three hidden things, each modality in its own way."""
    hidden = rng.normal(0.0, 1.0, (n, 3))
    ways = {m: np.random.default_rng(k).normal(0.0, 1.0, (3, dim)) for k, m in enumerate(MODALITIES)}
    raw = {m: hidden @ way + noise * rng.normal(0.0, 1.0, (n, dim)) for m, way in ways.items()}
    return {m: ((f - f.mean(axis=0)) / f.std(axis=0)).astype(np.float32) for m, f in raw.items()}


def fitted(features: dict[Modality, Array]) -> Tables:
    """Tables of which whitening, limits, projections and basis fit these features (n, dim)."""
    whiten = {m: whitening(f) for m, f in features.items()}
    return replace(
        random_tables(np.random.default_rng(0), dim=features["face"].shape[1]),
        whiten=whiten,
        density_limit={m: density_limit(f, whiten[m], inside=0.99) for m, f in features.items()},
        projection=projections(features, dimensions=3, shrinkage=0.1),
        basis=basis_rows(features, rows=40, seed=0),
        proxy_weight=dict.fromkeys(permutations(MODALITIES, 2), 1.0),
    )


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_standardised_features_have_mean_0_and_spread_1(seed: int) -> None:
    features = mixed(seed, 400)
    features[:, 2] = 5.0  # a feature that never varies must not divide by zero
    mean, scale = standardisation(features)
    standardised = (features - mean) / scale
    np.testing.assert_allclose(standardised.mean(axis=0), 0.0, atol=2e-3)
    np.testing.assert_allclose(np.delete(standardised, 2, axis=1).std(axis=0), 1.0, atol=2e-3)
    assert np.isfinite(standardised).all()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_whitened_clean_features_have_density_about_1_and_strange_ones_far_more(seed: int) -> None:
    clean = mixed(seed, 2_000)
    mean, scale = standardisation(clean)
    standardised = (clean - mean) / scale
    whiten = whitening(standardised)
    of_clean = np.square(standardised @ whiten.T).mean(axis=1)
    assert 0.2 < of_clean.mean() < 1.01  # below 1 where directions hardly vary and so are not blown up
    noise = 4 * np.random.default_rng(seed).normal(0.0, 1.0, standardised.shape).astype(np.float32)
    of_noise = np.square(noise @ whiten.T).mean(axis=1)
    assert np.median(of_noise) > 10 * of_clean.mean()


def test_features_that_vary_in_every_direction_have_density_1() -> None:
    independent = np.random.default_rng(1).normal(0.0, 1.0, (5_000, DIM)).astype(np.float32)
    whiten = whitening(independent)
    whitened = independent @ whiten.T
    np.testing.assert_allclose(whitened.T @ whitened / len(whitened), np.eye(DIM), atol=0.01)


def test_a_direction_that_hardly_varies_is_not_blown_up_without_bound() -> None:
    features = np.random.default_rng(2).normal(0.0, 1.0, (1_000, DIM)).astype(np.float32)
    features[:, 1] = features[:, 0] + 1e-4 * features[:, 1]
    assert np.linalg.norm(whitening(features), 2) < 4.0


@pytest.mark.parametrize("inside", [0.9, 0.99])
def test_the_density_limit_holds_the_share_asked_for(inside: float) -> None:
    features = paired(np.random.default_rng(3), 1_000, noise=0.5)
    tables = fitted(features)
    limits = {m: density_limit(f, tables.whiten[m], inside) for m, f in features.items()}
    tables = replace(tables, density_limit=limits)
    for m in MODALITIES:
        assert np.mean([density(tables, m, f) <= 1.0 for f in features[m]]) == pytest.approx(inside, abs=0.002)


def test_projections_find_a_planted_correlation_and_none_where_none_is() -> None:
    def planted(rng: np.random.Generator, n: int) -> dict[Modality, Array]:
        features = {m: rng.normal(0.0, 1.0, (n, DIM)) for m in MODALITIES}
        shared = rng.normal(0.0, 1.0, n)
        features["face"][:, 2] = shared + 0.2 * rng.normal(0.0, 1.0, n)
        features["text"][:, 5] = -shared + 0.2 * rng.normal(0.0, 1.0, n)
        return {m: f.astype(np.float32) for m, f in features.items()}

    rng = np.random.default_rng(4)
    found = projections(planted(rng, 1_500), dimensions=2, shrinkage=0.1)
    assert {pair: rows.shape for pair, rows in found.items()} == dict.fromkeys(permutations(MODALITIES, 2), (2, DIM))
    assert np.abs(found["face", "text"][0]).argmax() == 2
    assert np.abs(found["text", "face"][0]).argmax() == 5
    new = planted(rng, 1_500)
    rho = {(i, j): np.corrcoef(new[i] @ found[i, j][0], new[j] @ found[j, i][0])[0, 1] for i, j in PAIRS}
    assert rho["face", "text"] > 0.9
    assert abs(rho["face", "speech"]) < 0.2 and abs(rho["speech", "text"]) < 0.2


def dropped_share(tables: Tables, features: dict[Modality, Array], present: NDArray[np.bool_]) -> float:
    """Share of the modalities present, (n, steps, 3), that the device's check drops. Each row is a new person."""
    dropped = 0
    for row, there in enumerate(present):
        check = ModalityCheck(tables, WINDOW_STEPS, minimum_quality=0.5)
        for step, here in enumerate(there):
            seen = {m: features[m][row, step] for k, m in enumerate(MODALITIES) if here[k]}
            dropped += len(seen) - len(check.step(seen, dict.fromkeys(seen, 1.0)).effectual)
    return dropped / float(present.sum())


@pytest.mark.parametrize("seed", [5, 6, 7])
@pytest.mark.parametrize("lost_at_most", [0.05, 0.15])
def test_thresholds_lose_at_most_the_share_asked_for_and_nearly_as_much(seed: int, lost_at_most: float) -> None:
    """Over clean moments with all three modalities and with each pair alone, as many of each."""
    rng = np.random.default_rng(seed)
    flat = paired(rng, 600, noise=1.0)
    features = {m: f.reshape(120, 5, DIM) for m, f in flat.items()}
    present = rng.random((120, 5, 3)) < 0.8
    tables = set_thresholds(fitted(flat), features, present, WINDOW_STEPS, lost_at_most)
    masks = [(True, True, True), (True, True, False), (True, False, True), (False, True, True)]
    met = np.concatenate([present & np.array(mask) for mask in masks])
    lost = dropped_share(tables, {m: np.tile(f, (4, 1, 1)) for m, f in features.items()}, met)
    assert lost <= lost_at_most
    assert lost > lost_at_most - 0.02  # the highest such thresholds: lower ones would let more pass


def test_thresholds_part_pairs_that_belong_together_from_pairs_that_do_not() -> None:
    rng = np.random.default_rng(8)
    flat = paired(rng, 600, noise=0.3)
    features = {m: f.reshape(120, 5, DIM) for m, f in flat.items()}
    present = np.ones((120, 5, 3), np.bool_)
    tables = set_thresholds(fitted(flat), features, present, WINDOW_STEPS, lost_at_most=0.05)
    strangers = {**features, "text": features["text"][rng.permutation(120)]}
    text_dropped = 3 * dropped_share(tables, strangers, present)  # of three modalities, it is the text that is wrong
    assert text_dropped > 0.5


@pytest.mark.parametrize("target", MODALITIES)
def test_proxies_over_the_fitted_basis_reconstruct_a_linear_relation(target: Modality) -> None:
    rng = np.random.default_rng(9)
    tables, new = fitted(paired(rng, 1_500, noise=0.1)), paired(rng, 200, noise=0.1)
    proxies = ProxyTable(tables, neighbours=16, ridge=1.0)
    for source in [m for m in MODALITIES if m != target]:
        made = np.stack([proxies.from_one(target, source, f) for f in new[source]])
        assert np.square(new[target] - made).mean() < 0.3 * np.square(new[target]).mean()


def test_the_ridge_is_the_best_of_those_tried_and_a_direction_that_tells_nothing_weighs_least() -> None:
    rng = np.random.default_rng(10)
    features = paired(rng, 600, noise=0.3)
    features["text"] = rng.normal(0.0, 1.0, features["text"].shape).astype(np.float32)
    before = fitted(features)
    after, ridge = choose_ridge(before, features, neighbours=16)
    explained = {r: sum(explained_by_proxies(before, features, 16, r).values()) for r in (1.0, 10.0, 300.0, ridge)}
    assert explained[ridge] == max(explained.values()) > min(explained.values())
    weight = after.proxy_weight
    assert min(weight["face", "speech"], weight["speech", "face"]) > 0.4
    assert max(weight["text", "face"], weight["text", "speech"]) < 0.1
    assert min(weight.values()) >= 0.01 and max(weight.values()) <= 1.0


def test_what_proxies_explain_is_measured_against_the_targets_own_variance() -> None:
    features = paired(np.random.default_rng(11), 200, noise=0.3)
    tables = fitted(features)
    explained = explained_by_proxies(tables, features, neighbours=16, ridge=10.0)["face", "text"]
    made = np.stack([ProxyTable(tables, 16, 10.0).from_one("text", "face", f) for f in features["face"]])
    left = np.square(features["text"] - made).sum() / np.square(features["text"]).sum()
    assert explained == pytest.approx(1 - left, abs=1e-5)
    assert 0.3 < explained < 1.0


def turned(array: Array) -> Array:
    """The same matrix as a transposed view."""
    view: Array = np.ascontiguousarray(array.T).T
    return view


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, r=st.integers(2, 5), rows=st.integers(1, 20), transposed=st.booleans())
def test_tables_come_back_from_disk_exactly_as_they_were(seed: int, r: int, rows: int, transposed: bool) -> None:
    tables = random_tables(np.random.default_rng(seed), dim=6, r=r, rows=rows)
    if transposed:  # as CCA, eigh and k-means hand them out: the numbers lie in memory in another order
        tables = replace(
            tables,
            whiten={m: turned(array) for m, array in tables.whiten.items()},
            projection={pair: turned(array) for pair, array in tables.projection.items()},
            basis={m: turned(array) for m, array in tables.basis.items()},
        )
        assert not tables.projection["face", "text"].flags.c_contiguous
    back = Tables.from_arrays(safetensors.numpy.load(safetensors.numpy.save(tables.to_arrays())))
    for name in Tables.__dataclass_fields__:
        np.testing.assert_equal(getattr(back, name), getattr(tables, name), err_msg=name)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, size=st.floats(1e-3, 1e3))
def test_a_basis_is_stored_to_half_a_step_of_its_int8_scale(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng)
    for m in MODALITIES:
        tables.basis[m] = rng.normal(0, size, (12, DIM)).astype(np.float32)
    back = Tables.from_arrays(tables.to_arrays())
    for m in MODALITIES:
        step = np.abs(tables.basis[m]).max() / 127
        assert np.abs(back.basis[m] - tables.basis[m]).max() <= step * 0.501


def test_tables_with_nothing_in_them_name_the_first_that_is_missing() -> None:
    with pytest.raises(MalformedTables, match=r"standardise\.face\.mean is missing"):
        Tables.from_arrays({})
