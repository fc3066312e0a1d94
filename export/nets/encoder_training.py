"""Train one encoder's emotion features, with a linear head for every set of labels.

Soft labels are the shares of the votes that people gave. The damage features come after (damage_training.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.nets.devices import Devices, trainer
from export.nets.encoder import DAMAGE, EMOTION, Encoder
from export.nets.whole_batches import WholeBatches

MakeInputs = Callable[[NDArray[np.int64], np.random.Generator | None], NDArray[Any]]
"""Inputs of the samples with these numbers; disturbed as life disturbs them when a generator is given."""
CURVE = ("epoch", "training loss", "validation accuracy", "validation mean recall")
"""Columns of the learning curve that a task keeps among its weights, so that it is cached with them."""


@dataclass(frozen=True)
class Target:
    """Labels of one head: float32 (n, classes), rows that sum to 1; and float32 (n,) weights: about 1 on average, 0
    where unlabelled."""

    labels: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Examples:
    """What an encoder learns from. The first target is the one that training reports."""

    make_inputs: MakeInputs
    targets: Mapping[str, Target]

    def __len__(self) -> int:
        return len(next(iter(self.targets.values())).labels)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: one-cycle AdamW.

    Attributes:
        mixup: alpha of mixup (Zhang et al., ICLR 2018): each batch is mixed with itself in another order, by a share
            drawn from Beta(alpha, alpha). For few samples of pictures or sounds. 0: no mixing.
        damage_steps: batches that the damage features learn from afterwards (damage_training.py).
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.05
    mixup: float = 0.0
    damage_steps: int = 250

    @property
    def look_every(self) -> int:
        """Epochs between two looks at validation: about twelve looks in all."""
        return max(1, self.epochs // 12)


class EncoderTask(lightning.LightningModule):  # type: ignore[misc]
    """An encoder with its heads, trained by cross-entropy against soft labels."""

    def __init__(self, encoder: Encoder, classes: Mapping[str, int], schedule: Schedule, steps: int) -> None:
        """
        Args:
            classes: of each emotion head.
            steps: batches in the whole training.
        """
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict({name: nn.Linear(EMOTION, size) for name, size in classes.items()})
        self.ruin = nn.Linear(DAMAGE, 1)
        self.schedule = schedule
        self.steps = steps
        self.targets: Mapping[str, tuple[Tensor, Tensor]] = {}
        self.register_buffer("curve", torch.zeros(schedule.epochs // schedule.look_every, len(CURVE)))
        self._losses: list[Tensor] = []
        self._seen: list[tuple[Tensor, Tensor]] = []

    curve: Tensor

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        inputs, numbers = batch
        numbers = numbers.cpu()
        mixed_of = [(1.0, numbers)]
        if self.schedule.mixup:
            share = float(torch.distributions.Beta(self.schedule.mixup, self.schedule.mixup).sample())
            order = torch.randperm(len(numbers))
            inputs = share * inputs + (1 - share) * inputs[order]
            mixed_of = [(share, numbers), (1 - share, numbers[order])]
        if inputs.ndim == 4:  # a third faster on a CPU
            inputs = inputs.to(memory_format=torch.channels_last)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=inputs.ndim == 4):
            features = self.encoder.emotion(self.encoder.seen(inputs)[0])
        features = features.float()
        loss = torch.zeros((), device=features.device)
        for name, (labels, weights) in self.targets.items():
            log_p = self.heads[name](features).log_softmax(dim=1)
            for part, of in mixed_of:
                each = -(labels[of].to(features) * log_p).sum(dim=1)
                loss = loss + part * (each * weights[of].to(features)).mean()
        self._losses.append(loss.detach())
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> None:
        inputs, labels, weights = batch
        head = self.heads[next(iter(self.heads))]
        guess = head(self.encoder(inputs)[:, :EMOTION]).argmax(dim=1)
        self._seen.append((guess[weights > 0], labels.argmax(dim=1)[weights > 0]))

    def on_validation_epoch_end(self) -> None:
        guess, truth = (self.all_gather(torch.cat(part)).flatten() for part in zip(*self._seen, strict=True))
        self._seen.clear()
        accuracy = (guess == truth).float().mean()
        recall = torch.stack([(guess[truth == c] == c).float().mean() for c in torch.unique(truth)]).mean()
        self.log("accuracy", accuracy, prog_bar=True, rank_zero_only=True)
        self.log("recall", recall, prog_bar=True, rank_zero_only=True)
        loss = torch.stack(self._losses).mean()
        self._losses.clear()
        epoch = torch.tensor(self.current_epoch + 1.0)
        row = torch.stack([value.to(self.curve) for value in (epoch, loss, accuracy, recall)])
        self.curve[self.current_epoch // self.schedule.look_every] = row

    def configure_optimizers(self) -> dict[str, Any]:
        decayed = [p for p in self.parameters() if p.ndim > 1]
        free = [p for p in self.parameters() if p.ndim <= 1]  # biases and norms
        optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": self.schedule.weight_decay}, {"params": free, "weight_decay": 0.0}],
            self.schedule.learning_rate,
        )
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.schedule.learning_rate, total_steps=self.steps, pct_start=0.2
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


def train_encoder(
    name: str,
    encoder: Encoder,
    train: Examples,
    validation: Examples,
    schedule: Schedule,
    seed: int,
    devices: Devices,
) -> EncoderTask:
    """Train; returns the task with its encoder and heads of the last epoch, in evaluation mode.

    The last epoch, not the best on validation: with one-cycle it is about as good, and validation stays honest.
    """
    lightning.seed_everything(seed, verbose=False)
    batches = WholeBatches(train, schedule.batch, seed, devices)
    classes = {head: target.labels.shape[1] for head, target in train.targets.items()}
    task = EncoderTask(encoder, classes, schedule, len(batches) * schedule.epochs)
    task.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    task.targets = {
        head: (torch.from_numpy(target.labels), torch.from_numpy(target.weights))
        for head, target in train.targets.items()
    }
    print(f"{name}: {sum(p.numel() for p in encoder.parameters()):,} parameters, {len(train):,} samples", flush=True)
    later = [*encoder.damage.parameters(), *task.ruin.parameters()]
    for parameter in later:
        parameter.requires_grad_(False)
    runner = trainer(devices, schedule.epochs, check_val_every_n_epoch=schedule.look_every)
    runner.fit(task, batches.loader(), WholeBatches(validation, 256, None, devices).loader())
    task.eval()
    for parameter in later:
        parameter.requires_grad_(True)
    return task
