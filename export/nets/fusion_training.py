"""Train the fusion step on sequences in which modalities come, go and are replaced by proxies."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from edge.m3er.proxy import ProxyTable
from edge.reading import MODALITIES, Modality
from export.nets.fusion import STATE_SIZES, FusionStep
from export.nets.multiplicative_loss import m3er_loss

Array = NDArray[np.float32]

BETA = 1.0
_OWN_HEADS_SHARE = 0.3
"""Weight of the multiplicative loss beside the joint head's cross-entropy."""

_DROPPED = (0.5, 0.35, 0.15)
"""How often none, one or two modalities of a moment are replaced by proxies in training."""


@dataclass(frozen=True)
class FusionExamples:
    """Standardised moments with every proxy made by the device's own code.

    Attributes:
        features: float32 (n, steps, 3, dim), in the order of MODALITIES.
        proxies: float32 (n, steps, 3 from, 3 to, dim).
        weights: float32 (3 from, 3 to): skill of each direction.
        present: bool (n, steps, 3).
        labels: float32 (n, classes).
    """

    features: Tensor
    proxies: Tensor
    weights: Tensor
    present: Tensor
    labels: Tensor


def fusion_examples(
    features: Mapping[Modality, Array],
    present: NDArray[np.bool_],
    labels: Array,
    proxies: ProxyTable,
    weights: Mapping[tuple[Modality, Modality], float],
) -> FusionExamples:
    """Make every proxy of every moment: 6 directions a step."""
    n, steps, dim = features["face"].shape
    made = np.zeros((n, steps, 3, 3, dim), np.float32)
    skill = np.zeros((3, 3), np.float32)
    for (a, source), (b, target) in permutations(enumerate(MODALITIES), 2):
        flat = features[source].reshape(-1, dim)
        made[:, :, a, b] = np.stack([proxies.from_one(target, source, f) for f in flat]).reshape(n, steps, dim)
        skill[a, b] = weights[source, target]
    stacked = np.stack([features[m] for m in MODALITIES], axis=2)
    return FusionExamples(*map(torch.from_numpy, (stacked, made, skill, present, labels)))


def replace_dropped(examples: FusionExamples, index: Tensor, effectual: Tensor) -> Tensor:
    """The fusion's input (batch, steps, 3, dim): features where effectual, else the weighted mean of proxies.

    Args:
        index: (batch,) numbers of moments.
        effectual: bool (batch, steps, 3); at least one a step.
    """
    weight = examples.weights * effectual[..., :, None]  # (batch, steps, from, to)
    weight = weight / weight.sum(dim=2, keepdim=True).clamp(min=1e-9)
    proxy = (weight[..., None] * examples.proxies[index]).sum(dim=2)
    return torch.where(effectual[..., None], examples.features[index], proxy)


class FusionTask(lightning.LightningModule):  # type: ignore[misc]
    """The fusion step over sequences of two moments, so that it learns to follow a change."""

    def __init__(self, examples: FusionExamples, steps: int, seed: int) -> None:
        super().__init__()
        self.net = FusionStep(examples.labels.shape[1])
        self.examples = examples
        self.steps = steps
        self.generator = torch.Generator().manual_seed(seed)

    def training_step(self, index: Tensor, _: int) -> Tensor:
        batch, steps = len(index), self.examples.present.shape[1]
        second = torch.randint(0, len(self.examples.labels), (batch,), generator=self.generator)
        inputs = torch.cat([self._moment(index), self._moment(second)], dim=1)
        state = [torch.zeros(batch, size) for size in STATE_SIZES.values()]
        total = torch.zeros(())
        for step in range(2 * steps):
            joint, own, *state = self.net(*inputs[:, step].unbind(dim=1), *state)
            labels = self.examples.labels[index if step < steps else second]
            joint_loss = -(labels * joint.log_softmax(dim=1)).sum(dim=1).mean()
            own_loss = m3er_loss(own, labels, BETA).mean()
            # the first step of a moment is a guess: nobody can have noticed the change fully
            total = total + (0.3 if step % steps == 0 else 1.0) * (joint_loss + _OWN_HEADS_SHARE * own_loss)
        loss: Tensor = total / (2 * steps)
        self.log("loss", loss, prog_bar=True)
        return loss

    def _moment(self, index: Tensor) -> Tensor:
        batch = len(index)
        kind = torch.multinomial(torch.tensor(_DROPPED), batch, replacement=True, generator=self.generator)
        order = torch.rand(batch, 3, generator=self.generator).argsort(dim=1)
        keep = order >= kind[:, None]  # drop none, one or two, evenly over the modalities
        effectual = keep[:, None] & self.examples.present[index]
        nothing = ~effectual.any(dim=2, keepdim=True)
        effectual = effectual | (nothing & self.examples.present[index])
        return replace_dropped(self.examples, index, effectual)

    def configure_optimizers(self) -> dict[str, object]:
        optimizer = torch.optim.AdamW(self.parameters(), 3e-3, weight_decay=0.02)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=self.steps, pct_start=0.2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


def train_fusion(examples: FusionExamples, epochs: int, batch: int, seed: int) -> FusionStep:
    """The trained step, in evaluation mode."""
    lightning.seed_everything(seed, verbose=False)
    loader: DataLoader[Tensor] = DataLoader(
        torch.arange(len(examples.labels)),  # type: ignore[arg-type]
        batch_size=min(batch, len(examples.labels)),
        shuffle=True,
        drop_last=True,
        generator=torch.Generator().manual_seed(seed),
    )
    task = FusionTask(examples, len(loader) * epochs, seed)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(task, loader)
    return task.net.eval()
