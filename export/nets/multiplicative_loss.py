"""M3ER's multiplicative fusion loss."""

from torch import Tensor


def m3er_loss(own_logits: Tensor, labels: Tensor, beta: float) -> Tensor:
    """L = -Σ_i p_i^(β/(M-1)) log p_i, with p_i modality i's probability of the true class (M3ER, eq. 3).

    Strong modalities (p_i near 1) are boosted further, weak ones are let go. With soft labels the expectation
    over the label is taken.

    Args:
        own_logits: (n, M, classes), each modality's own head.
        labels: (n, classes), shares that sum to 1.
        beta: β above; 0 is the sum of the modalities' cross-entropies.

    Returns:
        (n,) losses.
    """
    log_p = own_logits.log_softmax(dim=2)
    weight = (log_p * (beta / (own_logits.shape[1] - 1))).exp()
    return -(labels[:, None] * weight * log_p).sum(dim=(1, 2))
