"""Several processes train as one does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export.nets.damage_training import DamageExamples, learn_damage
from export.nets.devices import Devices
from export.nets.encoder import EMOTION, Encoder
from export.nets.encoder_training import EncoderTask, Examples, Schedule, Target, train_encoder
from export.nets.whole_batches import WholeBatches

ROOT = Path(__file__).parent.parent
CLASSES = 3


def _examples(seed: int, n: int) -> Examples:
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=n)
    centres = np.random.default_rng(0).normal(0.0, 1.0, (CLASSES, 12))
    inputs = (centres[labels] + rng.normal(0.0, 1.2, (n, 12))).astype(np.float32)

    def make_inputs(numbers: NDArray[np.int64], rng: np.random.Generator | None) -> NDArray[np.float32]:
        return inputs[numbers]

    target = Target(np.eye(CLASSES, dtype=np.float32)[labels], np.ones(n, np.float32))
    return Examples(make_inputs, {"kind": target})


def _trained(devices: Devices, mixup: float = 0.0) -> EncoderTask:
    torch.manual_seed(3)
    encoder = Encoder(torch.nn.Sequential(torch.nn.Linear(12, 40), torch.nn.ReLU()), pooled=40, dropout=0.0)
    schedule = Schedule(epochs=4, batch=32, learning_rate=1e-2, mixup=mixup)
    return train_encoder("tiny", encoder, _examples(1, 512), _examples(2, 128), schedule, 0, devices)


def test_two_processes_over_gloo_reach_what_one_does() -> None:
    """In an interpreter of its own: the converters bring threads along (JAX), and a fork beside those may hang."""
    command = [sys.executable, "-m", "tests.test_devices"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]


def _compare() -> None:
    one, two = _trained(Devices(1)), _trained(Devices(2))
    for name, weights in one.state_dict().items():
        if name != "curve":
            torch.testing.assert_close(two.state_dict()[name], weights, atol=2e-3, rtol=2e-2)
    score = one.curve[-1, 2:]
    assert score[0] > 0.6, "it learnt something"
    torch.testing.assert_close(two.curve[-1, 2:], score, atol=0.01, rtol=0.0)


def test_mixed_samples_teach_what_whole_ones_do_with_less_certainty() -> None:
    whole, mixed = _trained(Devices(1)), _trained(Devices(1), mixup=1.0)
    assert mixed.curve[-1, 2] > whole.curve[-1, 2] - 0.05, "labels must be mixed as the inputs are"
    inputs = torch.from_numpy(_examples(2, 128).make_inputs(np.arange(128), None))
    sure = [
        task.heads["kind"](task.encoder(inputs)[:, :EMOTION]).softmax(dim=1).amax(dim=1).mean()
        for task in (whole, mixed)
    ]
    assert sure[1] < sure[0]


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


def test_learning_damage_leaves_the_emotion_features_alone_and_finds_ruined_inputs() -> None:
    torch.manual_seed(3)
    examples = _examples(1, 512)
    encoder = Encoder(torch.nn.Sequential(torch.nn.Linear(12, 40), torch.nn.ReLU()), pooled=40, dropout=0.0)
    schedule = Schedule(epochs=1, batch=32, learning_rate=1e-2)
    inputs = torch.from_numpy(examples.make_inputs(np.arange(64), None))
    task = train_encoder("tiny", encoder, examples, _examples(2, 64), schedule, 0, Devices(1))
    before = task.encoder(inputs).detach()

    def sound(numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        return np.asarray(examples.make_inputs(numbers, None), np.float32)

    def spoilt(numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        return rng.normal(0.0, 5.0, (len(numbers), 12)).astype(np.float32)

    learn_damage("tiny", task, DamageExamples(sound, spoilt, 512), 0)
    after = task.encoder(inputs).detach()
    torch.testing.assert_close(after[:, :EMOTION], before[:, :EMOTION], atol=0.0, rtol=0.0)
    ruined = torch.from_numpy(spoilt(np.arange(64), np.random.default_rng(5)))
    found = [task.ruin(task.encoder(x)[:, EMOTION:])[:, 0] > 0 for x in (inputs, ruined)]
    assert found[0].float().mean() < 0.1
    assert found[1].float().mean() > 0.8


if __name__ == "__main__":
    _compare()
