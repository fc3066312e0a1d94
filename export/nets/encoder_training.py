"""Train one encoder with a linear head on soft labels: the shares of the votes that people gave."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from export.corpora.emotions import EMOTIONS
from export.nets.face import DIM

MakeInputs = Callable[[NDArray[np.int64], np.random.Generator | None], NDArray[Any]]
"""Inputs of the samples with these numbers; augmented when a generator is given."""


@dataclass(frozen=True)
class Examples:
    """What an encoder learns from: how to make inputs, and float32 (n, 7) soft labels with float32 (n,) weights."""

    make_inputs: MakeInputs
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: one-cycle AdamW."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.02


class _Batches(torch.utils.data.Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Batches as whole items: inputs are made for a list of numbers at once."""

    def __init__(self, examples: Examples, seed: int | None) -> None:
        self.examples = examples
        self.rng = None if seed is None else np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.examples.labels)

    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor, Tensor]:
        numbers = np.asarray(index)
        return (
            torch.from_numpy(self.examples.make_inputs(numbers, self.rng)),
            torch.from_numpy(self.examples.labels[numbers]),
            torch.from_numpy(self.examples.weights[numbers]),
        )


def _loader(examples: Examples, batch: int, seed: int | None) -> DataLoader[tuple[Tensor, Tensor, Tensor]]:
    data = _Batches(examples, seed)
    order: Sampler[int] = (
        torch.utils.data.SequentialSampler(data)
        if seed is None
        else torch.utils.data.RandomSampler(data, generator=torch.Generator().manual_seed(seed))
    )
    sampler = torch.utils.data.BatchSampler(order, batch, drop_last=seed is not None)
    return DataLoader(data, sampler=sampler, batch_size=None)


class EncoderTask(lightning.LightningModule):  # type: ignore[misc]
    """An encoder with its head, trained by cross-entropy against soft labels."""

    def __init__(self, encoder: nn.Module, schedule: Schedule, steps: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(DIM, len(EMOTIONS))
        self.schedule = schedule
        self.steps = steps
        self.scores: list[tuple[float, float]] = []
        self._seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(inputs))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> Tensor:
        inputs, labels, weights = batch
        with torch.autocast("cpu", torch.bfloat16, enabled=inputs.ndim == 4):
            logits = self(inputs)
        losses = -(labels * logits.float().log_softmax(dim=1)).sum(dim=1)
        loss: Tensor = (losses * weights).sum() / weights.sum()
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> None:
        self._seen.append((self(batch[0]).argmax(dim=1), batch[1].argmax(dim=1)))

    def on_validation_epoch_end(self) -> None:
        guess, truth = (torch.cat(part) for part in zip(*self._seen, strict=True))
        self._seen.clear()
        accuracy = (guess == truth).float().mean()
        recalls = [(guess[truth == c] == c).float().mean() for c in torch.unique(truth)]
        recall = torch.stack(recalls).mean()
        self.log("accuracy", accuracy, prog_bar=True)
        self.log("recall", recall, prog_bar=True)
        self.scores.append((float(accuracy), float(recall)))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.AdamW(
            self.parameters(), self.schedule.learning_rate, weight_decay=self.schedule.weight_decay
        )
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.schedule.learning_rate, total_steps=self.steps, pct_start=0.2
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


def train_encoder(
    name: str, encoder: nn.Module, train: Examples, validation: Examples, schedule: Schedule, seed: int
) -> EncoderTask:
    """Train; returns the task with `encoder` and `head` of the last epoch, in evaluation mode.

    The last epoch, not the best on validation: with one-cycle it is about as good, and validation stays honest.
    """
    lightning.seed_everything(seed, verbose=False)
    batches = len(train.labels) // schedule.batch
    task = EncoderTask(encoder, schedule, batches * schedule.epochs)
    trainer = lightning.Trainer(
        max_epochs=schedule.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=max(1, schedule.epochs // 6),
        log_every_n_steps=10,
    )
    print(f"{name}: {sum(p.numel() for p in encoder.parameters()):,} parameters, {len(train.labels):,} samples")
    trainer.fit(task, _loader(train, schedule.batch, seed), _loader(validation, 256, None))
    task.eval()
    return task
