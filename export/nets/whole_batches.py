"""Batches made whole: the inputs of all samples of a batch at once, shared out over the training processes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from export.nets.devices import Devices

if TYPE_CHECKING:
    from export.nets.encoder_training import Examples


class WholeBatches(IterableDataset[tuple[Tensor, ...]]):
    """For training: (inputs, numbers of the samples), shuffled, without a short last batch.
    For validation (no seed): (inputs, labels, weights of the first target), in order.

    Every process draws the same order and takes its own part of each batch, so that two processes take the very
    steps that one would take.
    """

    def __init__(self, examples: "Examples", batch: int, seed: int | None, devices: Devices) -> None:
        self._examples = examples
        self._batch = min(batch, len(examples))
        self._seed = seed
        self._processes = devices.processes
        self._epoch = 0

    def __len__(self) -> int:
        samples = len(self._examples)
        return samples // self._batch if self._seed is not None else -(-samples // self._batch)

    def loader(self) -> DataLoader[tuple[Tensor, ...]]:
        """As Lightning wants it: each item is a batch already."""
        return DataLoader(self, batch_size=None)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        numbers = np.arange(len(self._examples))
        rng: np.random.Generator | None = None
        if self._seed is not None:
            numbers = np.random.default_rng([self._seed, self._epoch]).permutation(numbers)
            rng = np.random.default_rng([self._seed, self._epoch, rank + 1])
        self._epoch += 1
        first = next(iter(self._examples.targets.values()))
        for k in range(len(self)):
            mine = numbers[k * self._batch : (k + 1) * self._batch]
            if self._seed is not None:
                mine = mine[rank :: self._processes]
            inputs = torch.from_numpy(self._examples.make_inputs(mine, rng))
            if self._seed is not None:
                yield inputs, torch.from_numpy(mine)
            else:
                yield inputs, torch.from_numpy(first.labels[mine]), torch.from_numpy(first.weights[mine])
