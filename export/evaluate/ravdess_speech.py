"""The speech encoder cross-validated on RAVDESS: eight emotions, six folds by actor.

The encoder is first trained on CREMA-D alone (none of its people is in RAVDESS), once; then, per fold, on the other
twenty actors' recordings. The same net, front end and disturbances as the encoder that ships.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.corpora import recordings as recordings_module
from export.corpora import speech_examples, speech_noise
from export.corpora.cache import Arrays, cached, source_digest
from export.corpora.emotions import CALM, EMOTIONS
from export.corpora.paired import FeaturePairs
from export.corpora.ravdess_pairs import recording_of
from export.corpora.recordings import Recording
from export.corpora.speech_examples import window
from export.evaluate.bootstrap import interval
from export.evaluate.confusions import confusion_of
from export.evaluate.evaluation import Confusion, Figure
from export.evaluate.pair_folds import people_in_folds
from export.nets import encoder as encoder_module
from export.nets import encoder_training, whole_batches
from export.nets import speech as speech_net
from export.nets.devices import ONE_DEVICE
from export.nets.encoder import EMOTION, Encoder
from export.nets.encoder_training import EncoderTask, Schedule, train_encoder
from export.nets.encoders import restored
from export.nets.speech import SpeechEncoder

Array = NDArray[np.float32]

CLASSES = (*EMOTIONS, CALM)
FOLDS = 6
_REACH_UAR = 0.72


@dataclass(frozen=True)
class Schedules:
    """How long the encoder learns from CREMA-D, and then from twenty actors (or ten, for stacking)."""

    crema: Schedule = field(default=Schedule(epochs=64, batch=64, learning_rate=3e-3, weight_decay=0.02))
    ravdess: Schedule = field(default=Schedule(epochs=30, batch=32, learning_rate=1.5e-3, weight_decay=0.02, mixup=0.3))


@dataclass(frozen=True)
class SpeechFolds:
    """What six encoders say about actors that they never heard.

    Attributes:
        clips: (n,) stems of the recordings, ``03-01-…``.
        fold: (n,) in which fold the actor is held out; `actor`: (n,).
        truth: (n,) numbers into CLASSES.
        probabilities: (n, 8) by the encoder that never heard the actor.
        stacked: (folds, n, 60 + 8): what a fusion of fold k may learn from: features of the encoder that knows
            CREMA-D alone, and log-probabilities. Those of the held-out actors come from the fold's encoder, those of
            the others from two encoders that each heard one half of them, so that no row is of somebody heard.
    """

    clips: NDArray[np.str_]
    actor: NDArray[np.str_]
    fold: NDArray[np.int64]
    truth: NDArray[np.int64]
    probabilities: Array
    stacked: Array

    def join(self, pairs: FeaturePairs, names: NDArray[np.str_]) -> tuple[FeaturePairs, Callable[[int], Array]]:
        """The pairs whose sound is here, and for each fold the speech features (n, 68) in the pairs' order.

        Args:
            names: of the pairs' videos.
        """
        row_of = {clip: row for row, clip in enumerate(self.clips.tolist())}
        kept = np.array([recording_of(name) in row_of for name in names.tolist()])
        rows = np.array([row_of[recording_of(name)] for name in names[kept].tolist()])
        joined = replace(
            pairs,
            features={m: features[kept] for m, features in pairs.features.items()},
            labels=pairs.labels[kept],
            person=pairs.person[kept],
            position=pairs.position[kept],
            split=pairs.split[kept],
        )
        return joined, lambda fold: self.stacked[fold][rows]

    def figure(self) -> Figure:
        """Mean recall, its interval over actors."""
        guess = self.probabilities.argmax(axis=1)
        found = interval(self.truth, guess, len(CLASSES), "mean recall", list(self.actor))
        parameters = sum(p.numel() for p in SpeechEncoder().parameters())
        return Figure(
            part="speech, cross-validated",
            data="RAVDESS, eight emotions",
            split=f"{FOLDS} folds by actor, {len(set(self.actor))} actors",
            name="mean recall",
            value=found.value,
            low=found.low,
            high=found.high,
            samples=len(guess),
            reach=_REACH_UAR,
            peer="ResLSTM-SA .623 with 47 k parameters",
            note=f"{parameters:,} parameters; trained on CREMA-D first",
        )

    def confusion(self) -> Confusion:
        """Who is taken for whom."""
        guess = self.probabilities.argmax(axis=1)
        return confusion_of("speech: RAVDESS, cross-validated", f"{FOLDS} folds by actor", CLASSES, self.truth, guess)


def cross_validated_speech(recordings: list[Recording], cache: Path, seed: int, schedules: Schedules) -> SpeechFolds:
    """Train what is not in the cache, and ask each encoder about the actors of its fold."""
    crema = [r for r in recordings if r.dataset == "crema"]
    acted = sorted((r for r in recordings if r.dataset == "ravdess"), key=lambda r: r.clip)
    actors = sorted({r.speaker for r in acted})
    drawn = people_in_folds(np.array(actors), FOLDS, seed)
    fold_of = {actor: k for k, group in enumerate(drawn) for actor in group.tolist()}
    fold = np.array([fold_of[r.speaker] for r in acted])
    half = np.array([actors.index(r.speaker) // 2 % 2 for r in acted])
    inputs = torch.from_numpy(np.stack([window(r, r.end) for r in acted]))
    code = source_digest(
        speech_net, encoder_module, speech_examples, speech_noise, recordings_module, encoder_training, whole_batches
    )

    def learnt(name: str, from_: list[Recording], schedule: Schedule, start: EncoderTask | None) -> EncoderTask:
        train = speech_examples.speech_examples(from_)
        encoder: Encoder = deepcopy(start.encoder) if start else SpeechEncoder()

        def compute() -> Arrays:
            few = speech_examples.speech_examples(from_[:64])  # nothing is chosen by it
            task = train_encoder(name, encoder, train, few, schedule, seed, ONE_DEVICE)
            return {key: value.numpy() for key, value in task.state_dict().items()}

        before = [asdict(schedules.crema)] if start else []
        depends_on = [code, *before, asdict(schedule), seed, name, [r.clip for r in from_]]
        return restored(encoder, train, schedule, cached(cache, f"speech-{name}", depends_on, compute))

    basis = learnt("CREMA-D", crema, schedules.crema, None)
    frozen = _answers(basis, inputs)[0]
    probabilities = np.zeros((len(acted), len(CLASSES)), np.float32)
    stacked = np.zeros((FOLDS, len(acted), frozen.shape[1] + len(CLASSES)), np.float32)
    for k in range(FOLDS):
        others = fold != k
        heard = {"": others, " first half": others & (half == 0), " second half": others & (half == 1)}
        answers = {
            name: _answers(
                learnt(
                    f"fold {k}{name}",
                    [r for r, mine in zip(acted, rows, strict=True) if mine],
                    schedules.ravdess,
                    basis,
                ),
                inputs,
            )[1]
            for name, rows in heard.items()
        }
        probabilities[~others] = np.exp(answers[""][~others])
        stacked[k, :, : frozen.shape[1]] = frozen
        log_p = np.where((half == 0)[:, None], answers[" second half"], answers[" first half"])
        stacked[k, :, frozen.shape[1] :] = np.where(others[:, None], log_p, answers[""])
    return SpeechFolds(
        clips=np.array([r.clip.rsplit("/", 1)[-1] for r in acted]),
        actor=np.array([r.speaker for r in acted]),
        fold=fold,
        truth=np.array([CLASSES.index(r.asked_for) for r in acted]),
        probabilities=probabilities,
        stacked=stacked,
    )


@torch.no_grad()
def _answers(task: EncoderTask, inputs: torch.Tensor) -> tuple[Array, Array]:
    """Features (n, 60) and log-probabilities of what was intended (n, 8)."""
    features = torch.cat([task.encoder(part)[:, :EMOTION] for part in torch.split(inputs, 128)])
    return features.numpy(), task.heads["intended"](features).log_softmax(dim=1).numpy()
