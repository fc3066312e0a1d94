"""The multiplicative losses, M3ER's and the one it modifies, against their equations, in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
from export.nets.multiplicative_loss import liu_loss, m3er_loss  # noqa: E402 - needs torch

Array = NDArray[np.float64]


def log_softmax(logits: Array) -> Array:
    raised = logits - logits.max(axis=-1, keepdims=True)
    out: Array = raised - np.log(np.exp(raised).sum(axis=-1, keepdims=True))
    return out


def equation_3(own_logits: Array, labels: Array, beta: float) -> Array:
    """-Σ_i p_i^(β/(M-1)) log p_i, i over the M modalities, in the mean over the label's distribution."""
    count, modalities, classes = own_logits.shape
    losses = np.zeros(count)
    for n in range(count):
        for true_class in range(classes):
            for i in range(modalities):
                log_p = log_softmax(own_logits[n, i])[true_class]
                losses[n] -= labels[n, true_class] * np.exp(log_p) ** (beta / (modalities - 1)) * log_p
    return losses


def made(seed: int, modalities: int, classes: int, soft: bool, count: int = 4) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 2.0, (count, modalities, classes))
    labels = rng.dirichlet(np.ones(classes), count) if soft else np.eye(classes)[rng.integers(0, classes, count)]
    return logits, labels


def loss(logits: Array, labels: Array, beta: float) -> Array:
    out: Array = m3er_loss(torch.from_numpy(logits), torch.from_numpy(labels), beta).numpy()
    return out


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    modalities=st.integers(2, 4),
    classes=st.integers(2, 7),
    soft=st.booleans(),
    beta=st.floats(0.0, 4.0),
)
def test_the_loss_is_equation_3_for_hard_and_soft_labels(
    seed: int, modalities: int, classes: int, soft: bool, beta: float
) -> None:
    logits, labels = made(seed, modalities, classes, soft)
    np.testing.assert_allclose(loss(logits, labels, beta), equation_3(logits, labels, beta), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("soft", [False, True])
def test_with_beta_0_the_loss_is_the_sum_of_the_modalities_cross_entropies(soft: bool) -> None:
    logits, labels = made(7, 3, 5, soft)
    expected = sum(
        torch.nn.functional.cross_entropy(torch.from_numpy(logits[:, i]), torch.from_numpy(labels), reduction="none")
        for i in range(3)
    )
    np.testing.assert_allclose(loss(logits, labels, 0.0), expected, rtol=1e-12)


def test_beta_boosts_the_strong_modality_and_lets_the_weak_one_go() -> None:
    """The gradient of a modality that hardly sees the true class shrinks against a plain cross-entropy's."""
    shares = {}
    for beta in (0.0, 2.0):
        logits = torch.tensor([[[2.0, 0.0], [-4.0, 0.0], [2.0, 0.0]]], dtype=torch.float64, requires_grad=True)
        losses = m3er_loss(logits, torch.tensor([[1.0, 0.0]], dtype=torch.float64), beta)
        (gradient,) = torch.autograd.grad(losses.sum(), logits)
        strong, weak, _ = gradient.abs().sum(dim=2)[0].tolist()
        shares[beta] = weak / strong
    assert shares[2.0] < 0.5 * shares[0.0]


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_loss_and_gradient_stay_finite_for_extreme_logits(size: float, beta: float) -> None:
    pattern = torch.tensor([[[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]])
    logits = (pattern * size).requires_grad_()
    losses = m3er_loss(logits, torch.tensor([[1.0, 0.0, 0.0]]), beta)
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    assert torch.isfinite(losses).all() and torch.isfinite(gradient).all()
    assert (losses >= 0).all()


def equation_2(own_logits: Array, labels: Array, beta: float) -> Array:
    """-Σ_i [Π_{j≠i} (1 - p_j)]^(β/(M-1)) log p_i, in the mean over the label's distribution."""
    count, modalities, classes = own_logits.shape
    losses = np.zeros(count)
    for n in range(count):
        for true_class in range(classes):
            p = [np.exp(log_softmax(own_logits[n, i])[true_class]) for i in range(modalities)]
            for i in range(modalities):
                others = np.prod([1 - p[j] for j in range(modalities) if j != i])
                losses[n] -= labels[n, true_class] * others ** (beta / (modalities - 1)) * np.log(p[i])
    return losses


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    modalities=st.integers(2, 4),
    classes=st.integers(2, 7),
    soft=st.booleans(),
    beta=st.floats(0.0, 4.0),
)
def test_the_original_loss_is_equation_2_for_hard_and_soft_labels(
    seed: int, modalities: int, classes: int, soft: bool, beta: float
) -> None:
    logits, labels = made(seed, modalities, classes, soft)
    found = liu_loss(torch.from_numpy(logits), torch.from_numpy(labels), beta).numpy()
    np.testing.assert_allclose(found, equation_2(logits, labels, beta), rtol=1e-8, atol=1e-12)


def test_two_modalities_by_hand() -> None:
    """p = .8 and .5 of the true class, β = 1, M = 2."""
    logits = torch.log(torch.tensor([[[0.8, 0.2], [0.5, 0.5]]], dtype=torch.float64))
    label = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    assert liu_loss(logits, label, 1.0).item() == pytest.approx(-(0.5 * np.log(0.8) + 0.2 * np.log(0.5)))
    assert m3er_loss(logits, label, 1.0).item() == pytest.approx(-(0.8 * np.log(0.8) + 0.5 * np.log(0.5)))
    for loss_of in (liu_loss, m3er_loss):
        assert loss_of(logits, label, 0.0).item() == pytest.approx(-(np.log(0.8) + np.log(0.5)))


@pytest.mark.parametrize("sure", [0.0, 6.0])
def test_a_modality_need_not_learn_what_another_is_sure_of(sure: float) -> None:
    """The original loss draws the modality in doubt to the true class, the less the surer another is."""
    logits = torch.tensor([[[sure, 0.0], [0.0, 0.0]]], dtype=torch.float64, requires_grad=True)
    losses = liu_loss(logits, torch.tensor([[1.0, 0.0]], dtype=torch.float64), 1.0)
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    true_class = gradient[0, 1, 0].item()
    # d/dz of -(1 - p_other) log p - (1 - p) log p_other, where p = ½
    p_other = 1 / (1 + np.exp(-sure))
    assert true_class == pytest.approx(-(1 - p_other) * 0.5 + 0.25 * np.log(p_other))
    assert true_class < 0.0 and (abs(true_class) < 0.01 or sure == 0.0)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_the_original_loss_and_its_gradient_stay_finite_for_extreme_logits(size: float, beta: float) -> None:
    pattern = torch.tensor([[[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]])
    logits = (pattern * size).requires_grad_()
    losses = liu_loss(logits, torch.tensor([[1.0, 0.0, 0.0]]), beta)
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    assert torch.isfinite(losses).all() and torch.isfinite(gradient).all()
    assert (losses >= 0).all()
