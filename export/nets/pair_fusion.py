"""Ways to fuse modalities, all on the memory fusion backbone, and their training on pairs that come as features."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from export.nets.fusion import HIDDEN, MEMORY
from export.nets.memory_fusion import MemoryFusion
from export.nets.multiplicative_loss import liu_loss, m3er_loss

Fusion = Literal["early", "late, equal", "late, learned", "joint", "multiplicative, Liu", "multiplicative, M3ER"]
"""``early``: features side by side in one LSTM. ``late``: each modality's own head, probabilities averaged, or
log-probabilities summed with learned weights. ``joint``: the joint head alone. ``multiplicative``: the joint head, and
the own heads with the original loss or M3ER's, as the bundle that ships."""

BETA = 1.0
_OWN_HEADS_SHARE = 0.3
"""As in :mod:`export.nets.fusion_training`."""


@dataclass(frozen=True)
class Recipe:
    """What is chosen before a training.

    Attributes:
        fusion: how modalities are fused.
        noise: per modality: standard deviation of Gaussian noise added in training, in units of the features' own
            spread in every direction. Takes trust from features that know the training labels.
        drop: how often a modality of a sample is replaced in training, each by itself.
        weight_decay, learning_rate, epochs, batch: of AdamW and one-cycle.
        both_directions: also read the sequence from its end, which no device can.
        hidden, memory: sizes, of the LSTM a modality and of the gated memory.
    """

    fusion: Fusion
    noise: tuple[float, ...]
    drop: float
    weight_decay: float = 0.1
    learning_rate: float = 3e-3
    epochs: int = 40
    batch: int = 16
    both_directions: bool = False
    hidden: int = HIDDEN
    memory: int = MEMORY


@dataclass(frozen=True)
class Sequences:
    """Standardised features of n videos or dialogues, padded at the end to as many steps.

    Attributes:
        features: per modality float32 (n, steps, its own size).
        labels: int64 (n, steps), -1 where nothing is.
        proxies: per (from j, to i) float32 (n, steps, size of i); empty: what is dropped is replaced by the mean, 0.
        weights: float32 (M, M): skill of the proxies from j (row) to i (column).
    """

    features: tuple[Tensor, ...]
    labels: Tensor
    proxies: Mapping[tuple[int, int], Tensor]
    weights: Tensor

    def filled(self, effectual: Tensor) -> list[Tensor]:
        """Features where effectual, bool (n, steps, M), else the weighted mean of proxies from those that are.

        Where nothing is effectual, or no proxies are given, 0, which is the mean.
        """
        out = []
        for i, own in enumerate(self.features):
            proxy = torch.zeros_like(own)
            total = torch.full(own.shape[:2], 1e-9)
            for j in range(len(self.features)):
                if (j, i) in self.proxies:
                    weight = self.weights[j, i] * effectual[:, :, j]
                    proxy = proxy + weight[..., None] * self.proxies[j, i]
                    total = total + weight
            out.append(torch.where(effectual[:, :, i, None], own, proxy / total[..., None]))
        return out

    def rows(self, index: Tensor) -> "Sequences":
        """Some of them, cut to the longest one's steps."""
        labels = self.labels[index]
        steps = int((labels >= 0).sum(dim=1).max())
        return Sequences(
            tuple(f[index, :steps] for f in self.features),
            labels[:, :steps],
            {way: p[index, :steps] for way, p in self.proxies.items()},
            self.weights,
        )


class PairFusion(nn.Module):
    """The backbone with one way to fuse: logits (n, steps, classes), and the own heads' (n, steps, M, classes)."""

    def __init__(self, sizes: Sequence[int], classes: int, recipe: Recipe) -> None:
        super().__init__()
        self.fusion = recipe.fusion
        early = recipe.fusion == "early"
        inputs, hidden = ([sum(sizes)], recipe.hidden * len(sizes)) if early else (sizes, recipe.hidden)
        self.nets = nn.ModuleList(
            [MemoryFusion(inputs, classes, hidden, recipe.memory) for _ in range(1 + recipe.both_directions)]
        )
        self.trust = nn.Parameter(torch.zeros(len(sizes)))

    def forward(self, features: Sequence[Tensor], there: Tensor) -> tuple[Tensor, Tensor]:
        """Features a modality (n, steps, size); `there`: bool (n, steps), False where a sequence has ended."""
        if self.fusion == "early":
            features = [torch.cat(list(features), dim=2)]
        joint, own = self.nets[0](features)
        if len(self.nets) > 1:
            back = _backwards(there)
            from_end = self.nets[1]([_taken(f, back) for f in features])
            joint, own = (a + _taken(b, back) for a, b in zip((joint, own), from_end, strict=True))
        log_p = own.log_softmax(dim=3)
        if self.fusion == "late, equal":
            return log_p.exp().mean(dim=2).clamp(min=1e-9).log(), own
        if self.fusion == "late, learned":
            return (self.trust.softmax(dim=0)[:, None] * log_p).sum(dim=2), own
        return joint, own

    def loss(self, logits: Tensor, own: Tensor, labels: Tensor) -> Tensor:
        """Of samples: logits (n, classes), the own heads' (n, M, classes), labels int64 (n,)."""
        joint = nn.functional.cross_entropy(logits, labels)
        if self.fusion in ("early", "joint"):
            return joint
        shares = nn.functional.one_hot(labels, logits.shape[1]).to(own.dtype)
        if self.fusion == "late, equal":  # each head learns for itself
            return m3er_loss(own, shares, 0.0).mean()
        if self.fusion == "late, learned":
            return joint + m3er_loss(own, shares, 0.0).mean()
        loss = liu_loss if self.fusion == "multiplicative, Liu" else m3er_loss
        return joint + _OWN_HEADS_SHARE * loss(own, shares, BETA).mean()


def train_pair_fusion(
    train: Sequences, classes: int, recipe: Recipe, seed: int, allowed: Sequence[int] | None = None
) -> PairFusion:
    """The trained net, in evaluation mode.

    Args:
        allowed: numbers of the modalities that it may see; the others are replaced always. None: all.
    """
    torch.manual_seed(seed)
    count = len(train.features)
    net = PairFusion([f.shape[2] for f in train.features], classes, recipe)
    optimizer = torch.optim.AdamW(net.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    batches = -(-len(train.labels) // recipe.batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * batches, pct_start=0.2
    )
    seen = torch.zeros(count, dtype=torch.bool)
    seen[list(range(count) if allowed is None else allowed)] = True
    draws = [_noise_of(f[train.labels >= 0]) for f in train.features]
    for _ in range(recipe.epochs):
        for index in torch.randperm(len(train.labels)).split(recipe.batch):  # type: ignore[no-untyped-call]
            batch = train.rows(index)
            there = batch.labels >= 0
            effectual = _kept((*there.shape, count), recipe.drop, seen)
            features = [
                _noisy(x, size * effectual[:, :, m, None], draw)
                for m, (x, size, draw) in enumerate(zip(batch.filled(effectual), recipe.noise, draws, strict=True))
            ]
            logits, own = net(features, there)
            loss = net.loss(logits[there], own[there], batch.labels[there])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            cycle.step()
    return net.eval()


def _kept(shape: tuple[int, ...], drop: float, seen: Tensor) -> Tensor:
    """Which modalities a sample keeps, bool `shape` (…, M): at least one of those that may be seen."""
    chance = torch.rand(shape).masked_fill(~seen, -1.0)
    best = chance == chance.amax(dim=-1, keepdim=True)
    return ((chance >= drop) | best) & seen


def _noisy(x: Tensor, size: Tensor, draw: Callable[[Sequence[int]], Tensor]) -> Tensor:
    """x (n, steps, dim) with noise of `size` (n, steps, 1) times its own spread, and the spread it had."""
    return (x + size * draw(x.shape)) / (1 + size.square()).sqrt()


def _noise_of(features: Tensor) -> Callable[[Sequence[int]], Tensor]:
    """Draws Gaussian noise with the covariance of these features (n, size)."""
    covariance = torch.cov(features.T) + 1e-3 * torch.eye(features.shape[1])
    factor = torch.linalg.cholesky(covariance)
    return lambda shape: torch.randn(*shape) @ factor.T


def _backwards(there: Tensor) -> Tensor:
    """Number of the step that stands at each place (n, steps) when each sequence is read from its own end."""
    steps = torch.arange(there.shape[1]).expand(there.shape)
    length = there.sum(dim=1, keepdim=True)
    return torch.where(steps < length, length - 1 - steps, steps)


def _taken(x: Tensor, index: Tensor) -> Tensor:
    """x (n, steps, …) in the order of index (n, steps)."""
    return x[torch.arange(len(x))[:, None], index]
