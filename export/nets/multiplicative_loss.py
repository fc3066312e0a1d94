"""The multiplicative fusion losses: M3ER's, and the one that it modifies.

Both are over each modality's own logits (n, M, classes) and labels (n, classes), shares that sum to 1; with soft
labels the expectation over the label is taken. With β = 0 both are the sum of the modalities' cross-entropies.
"""

import torch
from torch import Tensor


def m3er_loss(own_logits: Tensor, labels: Tensor, beta: float) -> Tensor:
    """L = -Σ_i p_i^(β/(M-1)) log p_i, with p_i modality i's probability of the true class (M3ER, eq. 3).

    Strong modalities (p_i near 1) are boosted further, weak ones are let go.

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


def liu_loss(own_logits: Tensor, labels: Tensor, beta: float) -> Tensor:
    """L = -Σ_i [Π_{j≠i} (1 - p_j)]^(β/(M-1)) log p_i (Liu et al. 2018; M3ER, eq. 2).

    A modality need not learn a sample of which another is sure already.

    Args, returns: as :func:`m3er_loss`.
    """
    log_p = own_logits.log_softmax(dim=2)
    log_others = _log_one_minus(log_p)
    log_others = log_others.sum(dim=1, keepdim=True) - log_others  # of the other modalities
    weight = (log_others * (beta / (own_logits.shape[1] - 1))).exp()
    return -(labels[:, None] * weight * log_p).sum(dim=(1, 2))


def _log_one_minus(log_p: Tensor) -> Tensor:
    """log(1 - p), finite with its gradient even where p is 1 to the last digit."""
    certain = log_p > -torch.finfo(log_p.dtype).eps
    safe = torch.where(certain, -1.0, log_p)
    least = float(torch.log(torch.tensor(torch.finfo(log_p.dtype).eps)))
    return torch.where(certain, least, torch.log(-torch.expm1(safe)))
