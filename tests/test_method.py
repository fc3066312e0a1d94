"""Check, proxies and fusion against the equations, written here once more, plainly and in float64."""

import gc
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.engines.onnx_engine import OnnxEngine
from edge.m3er.check import Evidence, ModalityCheck, Rule, Verdict
from edge.m3er.fusion import FusionStep
from edge.m3er.proxy import ProxyTable
from edge.m3er.tables import Tables
from edge.reading import MODALITIES, PAIRS, Modality
from tests.made_bundle import DIM, STATE, random_tables, write_nets

Vector = NDArray[np.float64]
Features = dict[Modality, NDArray[np.float32]]
SEEDS = st.integers(0, 2**32 - 1)
WINDOW_STEPS, MINIMUM_QUALITY, NEIGHBOURS, RIDGE = 4, 0.3, 6, 1.0


class Reference:
    """Steps 4 and 5 of the design. Nothing is kept but what was seen."""

    def __init__(self, tables: Tables, window_steps: int, minimum_quality: float, rule: Rule) -> None:
        self.tables, self.window_steps, self.minimum_quality, self.rule = tables, window_steps, minimum_quality, rule
        self.seen: list[Features] = []
        self.decided = True  # False once rounding to float32 may have tipped a scale

    def canonical(self, i: Modality, j: Modality) -> Vector:
        """H_ij f_i of the last steps since one of the two was missing, joined."""
        vectors: list[Vector] = []
        for features in reversed(self.seen[-self.window_steps :]):
            if i not in features or j not in features:
                break
            vectors.insert(0, self.tables.projection[i, j].astype(float) @ features[i].astype(float))
        return np.concatenate(vectors)

    def step(self, features: Features, quality: Mapping[Modality, float]) -> Verdict:
        """What the check must say."""
        self.seen.append(features)
        rho, self.off = {}, {}
        for i, j in [(i, j) for i, j in PAIRS if i in features and j in features]:
            u, v = self.canonical(i, j), self.canonical(j, i)
            rho[f"{i}-{j}"] = float(np.corrcoef(u, v)[0, 1])
            # so far off may sums in float32 be: the farther, the less a vector varies
            self.off[f"{i}-{j}"] = 1e-6 * sum(float(np.mean(x**2) / np.var(x)) for x in (u, v))
        density = {
            m: float(np.mean((self.tables.whiten[m].astype(float) @ f) ** 2)) / self.tables.density_limit[m]
            for m, f in features.items()
        }
        self.decided &= all(abs(d - 1) > 1e-5 for d in density.values())
        self.decided &= all(abs(r - self.tables.threshold[pair]) > self.off[pair] for pair, r in rho.items())
        ruin = {m: float(np.append(f.astype(float), 1.0) @ self.tables.damage[m]) for m, f in features.items()}
        self.decided &= all(abs(d) > 1e-5 for d in ruin.values())
        reason: dict[Modality, str] = {}
        if self.rule == "full":
            reason = dict.fromkeys([m for m in features if density[m] > 1], "out of distribution")
            reason.update(dict.fromkeys([m for m in features if ruin[m] > 0], "damaged"))
        inside = set(features) - set(reason)
        effectual: set[Modality] = set()
        if len(inside) == 1:
            effectual = {m for m in inside if quality[m] >= self.minimum_quality}
            reason.update(dict.fromkeys(inside - effectual, "low quality"))
        else:
            for i, j in PAIRS:
                if {i, j} <= inside and rho[f"{i}-{j}"] >= self.tables.threshold[f"{i}-{j}"]:
                    effectual |= {i, j}
            reason.update(dict.fromkeys(inside - effectual, "uncorrelated"))
        evidence: Evidence = "none" if not inside else "single" if len(inside) == 1 else "correlation"
        return Verdict(frozenset(effectual), reason, rho, density, ruin, evidence)

    def proxy(self, target: Modality, good: Features, neighbours: int, ridge: float) -> Vector:
        total, proxy = 0.0, np.zeros(self.tables.dim)
        for j, feature in good.items():
            f, rows = feature.astype(float), self.tables.basis[j].astype(float)
            distance = np.linalg.norm(rows - f, axis=1)
            nearest = np.argsort(distance)[:neighbours]
            self.decided &= bool((np.diff(np.sort(distance))[neighbours - 1 : neighbours] > 1e-4).all())
            v, w = rows[nearest], self.tables.basis[target].astype(float)[nearest]
            a = np.linalg.solve(v @ v.T + ridge * np.eye(len(v)), v @ f)
            proxy += self.tables.proxy_weight[j, target] * (a @ w)
            total += self.tables.proxy_weight[j, target]
        return proxy / total


def random_feature(rng: np.random.Generator, dim: int, strange: float) -> NDArray[np.float32]:
    """Now and then one that lies far outside the cloud."""
    return (rng.normal(0.0, 1.0, dim) * (4.0 if rng.random() < strange else 0.9)).astype(np.float32)


def sequence(rng: np.random.Generator, steps: int, dim: int) -> list[Features]:
    """Modalities that come and go, and mostly stay for several steps."""
    there = dict.fromkeys(MODALITIES, True)
    found = []
    for _ in range(steps):
        there = {m: here if rng.random() < 0.7 else bool(rng.random() < 0.6) for m, here in there.items()}
        found.append({m: random_feature(rng, dim, strange=0.1) for m in MODALITIES if there[m]})
    return found


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, window_steps=st.integers(1, 6), rule=st.sampled_from(["full", "correlation"]), r=st.integers(2, 5))
def test_the_check_follows_the_equations_while_modalities_come_and_go(
    seed: int, window_steps: int, rule: Rule, r: int
) -> None:
    rng = np.random.default_rng(seed)
    tables, minimum_quality = random_tables(rng, r=r), float(rng.random())
    check = ModalityCheck(tables, window_steps, minimum_quality, rule)
    reference = Reference(tables, window_steps, minimum_quality, rule)
    for features in sequence(rng, 12, DIM):
        quality = {m: float(rng.random()) for m in features}
        found, expected = check.step(features, quality), reference.step(features, quality)
        assume(reference.decided)
        assert found.effectual == expected.effectual
        assert found.reason == expected.reason
        assert found.evidence == expected.evidence
        assert found.density == pytest.approx(expected.density, rel=1e-5)
        assert found.damage == pytest.approx(expected.damage, abs=1e-4)
        assert found.correlation.keys() == expected.correlation.keys()
        for pair, rho in expected.correlation.items():
            assert found.correlation[pair] == pytest.approx(rho, abs=reference.off[pair])


def test_after_a_reset_the_past_no_longer_counts() -> None:
    rng = np.random.default_rng(1)
    tables = random_tables(rng)
    past, now = ({m: random_feature(rng, DIM, strange=0.0) for m in MODALITIES} for _ in range(2))
    used, fresh = ModalityCheck(tables, 4, 0.5), ModalityCheck(tables, 4, 0.5)
    used.step(past, {})
    used.reset()
    assert used.step(now, {}) == fresh.step(now, {})


def test_canonical_vectors_that_do_not_vary_have_no_correlation() -> None:
    tables = random_tables(np.random.default_rng(2))
    flat = replace(tables, projection={pair: np.ones_like(rows) for pair, rows in tables.projection.items()})
    verdict = ModalityCheck(flat, 4, 0.5).step({m: np.ones(DIM, np.float32) for m in MODALITIES}, {})
    assert verdict.correlation == {"face-speech": 0.0, "face-text": 0.0, "speech-text": 0.0}


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, neighbours=st.integers(1, 15), ridge=st.floats(0.1, 10.0), target=st.sampled_from(MODALITIES))
def test_proxies_are_the_ridge_solution_over_the_nearest_rows_weighted_by_skill(
    seed: int, neighbours: int, ridge: float, target: Modality
) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng)
    others = rng.permutation([m for m in MODALITIES if m != target])[: rng.integers(1, 3)]
    good = {m: random_feature(rng, DIM, strange=0.2) for m in MODALITIES if m in others}
    reference = Reference(tables, 1, 0.0, "full")
    expected = reference.proxy(target, good, neighbours, ridge)
    assume(reference.decided)
    made = ProxyTable(tables, neighbours, ridge).regenerate(target, good)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, atol=1e-4 * (1 + np.abs(expected).max()))


class Method:
    """Check, proxies and fusion of the device, wired as :mod:`edge.runtime` does."""

    def __init__(self, tables: Tables, engine: OnnxEngine, state: Mapping[str, int]) -> None:
        self.check = ModalityCheck(tables, WINDOW_STEPS, MINIMUM_QUALITY)
        self.proxies = ProxyTable(tables, NEIGHBOURS, RIDGE)
        self.fusion = FusionStep(engine, state, tables.temperature)

    def step(self, features: Features) -> NDArray[np.float32] | None:
        """Probabilities; None where nothing is effectual."""
        effectual = self.check.step(features, dict.fromkeys(features, 1.0)).effectual
        good = {m: features[m] for m in MODALITIES if m in effectual}
        if not good:
            return None
        whole = {m: good[m] if m in good else self.proxies.regenerate(m, good) for m in MODALITIES}
        return self.fusion.step(whole, len(good)).probabilities


def held(*things: object) -> int:
    """How many objects and array elements these hold, directly or through others."""
    found: dict[int, object] = {}
    while things:
        found.update((id(thing), thing) for thing in things)
        parts = [part for part in gc.get_referents(*things) if id(part) not in found]
        things = tuple(part for part in parts if not isinstance(part, (type, ModuleType, FunctionType)))
    return sum(thing.size if isinstance(thing, np.ndarray) else 1 for thing in found.values())


def test_a_steps_cost_does_not_grow_for_what_is_held_is_the_same_after_5000_steps(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    write_nets(tmp_path, rng)
    method = Method(random_tables(rng), OnnxEngine(tmp_path / "fusion.onnx.fp32.onnx"), STATE)
    loop = [{m: random_feature(rng, DIM, strange=0.1) for m in MODALITIES} for _ in range(100)]  # without a gap

    def most_held() -> int:
        return max(held(method) for features in loop if method.step(features) is not None)

    after_warm_up = most_held()
    for features in loop * 50:
        method.step(features)
    assert after_warm_up > 600  # the tables are in it
    assert most_held() == after_warm_up


class ReferenceFusion:
    """Step 6 of the design, the memory fusion network of Zadeh et al. (AAAI 2018), with a torch net's weights."""

    def __init__(self, weights: Mapping[str, Vector], temperature: NDArray[np.float32]) -> None:
        self.weights, self.temperature = weights, temperature
        self.hidden = np.zeros((3, weights["own.0.weight"].shape[1]))
        self.cell = np.zeros_like(self.hidden)
        self.memory = np.zeros(len(weights["propose.3.bias"]))

    def linear(self, name: str, x: Vector) -> Vector:
        y: Vector = self.weights[f"{name}.weight"] @ x + self.weights[f"{name}.bias"]
        return y

    def layers(self, name: str, x: Vector) -> Vector:
        return self.linear(f"{name}.3", np.maximum(self.linear(f"{name}.0", x), 0.0))

    def step(self, features: Mapping[Modality, NDArray[np.floating]], live: int) -> tuple[Vector, list[Vector]]:
        """Probabilities of the joint head and of each modality's own."""
        before = self.cell.copy()
        for k, m in enumerate(MODALITIES):
            gates = self.linear(f"cells.{k}.gates", np.concatenate([features[m].astype(float), self.hidden[k]]))
            take, keep, show, candidate = np.split(gates, 4)
            self.cell[k] = sigmoid(keep) * self.cell[k] + sigmoid(take) * np.tanh(candidate)
            self.hidden[k] = sigmoid(show) * np.tanh(self.cell[k])
        change = np.concatenate([before.ravel(), self.cell.ravel()])
        attended = softmax(self.layers("attend", change)) * change
        kept, updated = (self.layers(gate, np.concatenate([attended, self.memory])) for gate in ("keep", "update"))
        proposed = np.tanh(self.layers("propose", attended))
        self.memory = sigmoid(kept) * self.memory + sigmoid(updated) * proposed
        joint = self.layers("joint", np.concatenate([self.hidden.ravel(), self.memory]))
        own = [softmax(self.linear(f"own.{k}", h)) for k, h in enumerate(self.hidden)]
        return softmax(joint / self.temperature[live - 1]), own


def sigmoid(x: Vector) -> Vector:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def softmax(x: Vector) -> Vector:
    return np.asarray(np.exp(x) / np.exp(x).sum())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[OnnxEngine, dict[str, Vector], dict[str, int], int]:
    """The fusion net with random weights: as the file that the device runs, its weights, state sizes and dim."""
    torch = pytest.importorskip("torch")
    from export.convert.onnx_file import write_onnx
    from export.nets.encoder import DIM as DIM_OF_NETS
    from export.nets.fusion import STATE_SIZES
    from export.nets.fusion import FusionStep as FusionNet

    torch.manual_seed(4)
    net = FusionNet(classes=7).eval()
    sizes = dict.fromkeys(MODALITIES, DIM_OF_NETS) | STATE_SIZES
    path = tmp_path_factory.mktemp("fusion") / "fusion.onnx"
    outputs = ["joint_logits", "modality_logits", *(f"next_{name}" for name in STATE_SIZES)]
    write_onnx(net, [{name: np.zeros((1, size), np.float32) for name, size in sizes.items()}], outputs, path)
    weights = {name: tensor.double().numpy() for name, tensor in net.state_dict().items()}
    return OnnxEngine(path), weights, STATE_SIZES, DIM_OF_NETS


def test_the_exported_fusion_net_follows_the_equations_over_twenty_steps_and_after_a_reset(exported: Any) -> None:
    engine, weights, state, dim = exported
    rng = np.random.default_rng(5)
    temperature = np.array([0.8, 1.7, 1.1], np.float32)
    device = FusionStep(engine, state, temperature)
    for _ in range(2):
        device.reset()
        reference = ReferenceFusion(weights, temperature)
        for number in range(20):
            features: Features = {m: rng.normal(0.0, 2.0, dim).astype(np.float32) for m in MODALITIES}
            live = 1 + number % 3
            found, (joint, own) = device.step(features, live), reference.step(features, live)
            np.testing.assert_allclose(found.probabilities, joint, atol=2e-6)
            np.testing.assert_allclose([found.by_modality[m] for m in MODALITIES], own, atol=2e-6)


def test_check_proxies_and_fusion_together_follow_the_equations(exported: Any) -> None:
    engine, weights, state, dim = exported
    rng = np.random.default_rng(6)
    tables = random_tables(rng, dim=dim, r=6, rows=40)
    method, fusion = Method(tables, engine, state), ReferenceFusion(weights, tables.temperature)
    reference = Reference(tables, WINDOW_STEPS, MINIMUM_QUALITY, "full")
    states = Counter[str]()
    for features in sequence(rng, 200, dim):
        found, effectual = method.step(features), reference.step(features, dict.fromkeys(features, 1.0)).effectual
        states.update("live" if m in effectual else "dropped" if m in features else "absent" for m in MODALITIES)
        assert (found is None) == (not effectual)
        if found is not None:
            good = {m: features[m] for m in MODALITIES if m in effectual}
            proxies = {m: reference.proxy(m, good, NEIGHBOURS, RIDGE) for m in MODALITIES if m not in good}
            joint, _ = fusion.step({**good, **proxies}, len(good))
            np.testing.assert_allclose(found, joint, atol=1e-5)
    assert reference.decided and min(states[name] for name in ("live", "dropped", "absent")) > 50, states
