"""Several processes train as one does."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export.nets.devices import Devices
from export.nets.encoder_training import EncoderTask, Examples, Schedule, Target, train_encoder
from export.nets.face import DIM
from export.nets.whole_batches import WholeBatches

CLASSES = 3


def _examples(seed: int, n: int) -> Examples:
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=n)
    centres = np.random.default_rng(0).normal(0.0, 1.0, (CLASSES, 12))
    inputs = (centres[labels] + rng.normal(0.0, 1.2, (n, 12))).astype(np.float32)

    def make_inputs(
        numbers: NDArray[np.int64], rng: np.random.Generator | None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        return inputs[numbers], np.zeros(len(numbers), np.bool_)

    return Examples(make_inputs, {"kind": Target(np.eye(CLASSES, dtype=np.float32)[labels], np.ones(n, np.float32))})


def _trained(devices: Devices) -> EncoderTask:
    torch.manual_seed(3)
    encoder = torch.nn.Sequential(torch.nn.Linear(12, DIM), torch.nn.ReLU(), torch.nn.Linear(DIM, DIM))
    schedule = Schedule(epochs=4, batch=32, learning_rate=1e-2)
    return train_encoder("tiny", encoder, _examples(1, 512), _examples(2, 128), schedule, 0, devices)


def test_two_processes_over_gloo_reach_what_one_does() -> None:
    one, two = _trained(Devices(1)), _trained(Devices(2))
    for name, weights in one.state_dict().items():
        if name != "curve":
            torch.testing.assert_close(two.state_dict()[name], weights, atol=2e-3, rtol=2e-2)
    score = one.curve[-1, 2:]
    assert score[0] > 0.6, "it learnt something"
    torch.testing.assert_close(two.curve[-1, 2:], score, atol=0.01, rtol=0.0)


@pytest.mark.parametrize("processes", [2, 3, 4])
def test_the_processes_of_a_batch_take_every_sample_of_it_once(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = _examples(1, 120)
    whole = [numbers for *_, numbers in WholeBatches(examples, 24, 0, Devices(1))]
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    parts: list[list[torch.Tensor]] = []
    for rank in range(processes):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        parts.append([numbers for *_, numbers in WholeBatches(examples, 24, 0, Devices(processes))])
    for batch, *shares in zip(whole, *parts, strict=True):
        assert sorted(torch.cat(shares).tolist()) == sorted(batch.tolist())


def test_a_ruined_sample_teaches_no_emotion_and_moves_no_norm() -> None:
    encoder = torch.nn.Sequential(torch.nn.Linear(12, DIM), torch.nn.BatchNorm1d(DIM))
    task = EncoderTask(encoder, {"kind": CLASSES}, Schedule(1, 8, 1e-3), steps=1)
    labels = torch.eye(CLASSES)[torch.zeros(8, dtype=torch.long)]
    task.targets = {"kind": (labels, torch.ones(8))}
    task.log = lambda *_, **__: None  # type: ignore[method-assign]
    ruined = torch.tensor([False] * 6 + [True] * 2)
    inputs = torch.randn(8, 12)
    louder = torch.where(ruined[:, None], 100 * inputs, inputs)
    seen = []
    for batch in (inputs, louder):
        torch.nn.init.zeros_(encoder[1].running_mean)
        task.training_step((batch, ruined, torch.arange(8)), 0)
        seen.append((float(task._losses[-1]), encoder[1].running_mean.clone()))
    assert seen[0][0] == pytest.approx(seen[1][0], rel=1e-5)
    torch.testing.assert_close(seen[0][1], seen[1][1])
