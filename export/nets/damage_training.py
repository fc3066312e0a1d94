"""Teach a trained encoder's damage features what ruined inputs look like; everything else stands still."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn

from export.nets.encoder_training import EncoderTask

MakeSome = Callable[[NDArray[np.int64], np.random.Generator], NDArray[Any]]

_HALF_BATCH = 64
_LEARNING_RATE = 3e-3


@dataclass(frozen=True)
class DamageExamples:
    """Inputs of some samples, sound or ruined.

    Attributes:
        sound: as people and sensors unlike the corpus's might give them: far more varied than what emotions are learnt
            from. What the detector meets here it will not call damage.
        ruined: so that nobody could tell an emotion by them.
        size: how many samples there are.
    """

    sound: MakeSome
    ruined: MakeSome
    size: int


def learn_damage(name: str, task: EncoderTask, examples: DamageExamples, seed: int) -> None:
    """Only the damage features and their head learn, from as many ruined inputs as sound ones."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW([*task.encoder.damage.parameters(), *task.ruin.parameters()], _LEARNING_RATE)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=task.schedule.damage_steps)
    truth = torch.cat([torch.zeros(_HALF_BATCH), torch.ones(_HALF_BATCH)])
    for _ in track(range(task.schedule.damage_steps), f"{name}: what damage looks like"):
        some = rng.integers(examples.size, size=(2, _HALF_BATCH))
        inputs = np.concatenate([examples.sound(some[0], rng), examples.ruined(some[1], rng)])
        with torch.no_grad():
            _, shows_damage = task.encoder.seen(torch.from_numpy(inputs))
        logits = task.ruin(task.encoder.damage(shows_damage))[:, 0]
        loss: Tensor = nn.functional.binary_cross_entropy_with_logits(logits, truth)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        cycle.step()
