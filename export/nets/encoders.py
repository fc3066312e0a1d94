"""The three encoders of a bundle: how each is trained, and kept so that a stopped run goes on."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from edge.perceive import face_crop, log_mel, tokens
from edge.perceive.tokens import Vocabulary
from edge.reading import MODALITIES, Modality
from export.corpora import face_damage, ferplus, recordings, speech_noise, speech_ruin, utterances, word_damage
from export.corpora import face_examples as faces
from export.corpora import speech_examples as speech
from export.corpora import text_examples as text
from export.corpora.cache import Arrays, cached, source_digest
from export.corpora.everything import Corpora
from export.nets import damage_training, encoder_training, whole_batches
from export.nets import encoder as encoder_module
from export.nets import face as face_net
from export.nets import speech as speech_net
from export.nets import text as text_net
from export.nets.damage_training import DamageExamples, learn_damage
from export.nets.devices import Devices
from export.nets.encoder import Encoder
from export.nets.encoder_training import EncoderTask, Examples, Schedule, train_encoder


@dataclass(frozen=True)
class Schedules:
    """How long each encoder is trained. The default fits two cores; a test may ask for less."""

    face: Schedule = field(default=Schedule(60, 128, learning_rate=4e-3, weight_decay=0.02, damage_steps=1_000))
    speech: Schedule = field(default=Schedule(96, 64, learning_rate=3e-3, weight_decay=0.02, damage_steps=600))
    text: Schedule = field(default=Schedule(6, 256, learning_rate=3e-3, damage_steps=3_000))
    """Which words may follow each other takes longer to learn than what a blur looks like, and each step is cheap."""


_CODE = {
    "face": (face_net, faces, ferplus, face_crop),
    "speech": (speech_net, speech, speech_noise, recordings, log_mel),
    "text": (text_net, text, utterances, tokens),
}
_DAMAGE_CODE = {"face": face_damage, "speech": speech_ruin, "text": word_damage}


def train_encoders(
    corpora: Corpora, vocabulary: Vocabulary, cache: Path, seed: int, schedules: Schedules, devices: Devices
) -> dict[Modality, EncoderTask]:
    """Train what is not in the cache for the same data, code, schedule and seed."""
    return {m: _encoder(m, corpora, vocabulary, cache, seed, getattr(schedules, m), devices) for m in MODALITIES}


def untrained(modality: Modality, corpora: Corpora, vocabulary: Vocabulary) -> Encoder:
    """A new encoder with random weights; the text encoder's words start from GloVe."""
    if modality == "face":
        return face_net.FaceEncoder()
    if modality == "speech":
        return speech_net.SpeechEncoder()
    net = text_net.TextEncoder(len(vocabulary))
    _start_from_glove(net, vocabulary, corpora)
    return net


def examples(modality: Modality, corpora: Corpora, vocabulary: Vocabulary, split: str) -> Examples:
    """What an encoder learns from or, on another split than ``train``, is looked at with."""
    if modality == "face":
        return faces.face_examples(corpora.faces[split])
    if modality == "speech":
        return speech.speech_examples(corpora.recordings[split])
    return text.text_examples(corpora.utterances[split], vocabulary)


def _encoder(
    modality: Modality,
    corpora: Corpora,
    vocabulary: Vocabulary,
    cache: Path,
    seed: int,
    schedule: Schedule,
    devices: Devices,
) -> EncoderTask:
    train = examples(modality, corpora, vocabulary, "train")
    torch.manual_seed(seed)
    encoder = untrained(modality, corpora, vocabulary)

    def compute() -> Arrays:
        validation = examples(modality, corpora, vocabulary, "validation")
        task = train_encoder(modality, encoder, train, validation, schedule, seed, devices)
        return {name: value.numpy() for name, value in task.state_dict().items()}

    sums = {name: [float(np.square(t.labels).sum()), float(t.weights.sum())] for name, t in train.targets.items()}
    code = source_digest(*_CODE[modality], encoder_module, encoder_training, whole_batches)
    depends_on = [code, asdict(replace(schedule, damage_steps=0)), seed, len(train), sums]
    stored = cached(cache, f"{modality}-encoder", depends_on, compute)
    task = restored(encoder, train, schedule, stored)

    def learnt() -> Arrays:
        learn_damage(modality, task, damage_examples(modality, corpora, vocabulary, "train"), seed)
        return {name: value.detach().numpy() for name, value in _damage_weights(task).items()}

    known = cached(
        cache,
        f"{modality}-damage",
        [source_digest(damage_training, _DAMAGE_CODE[modality]), schedule.damage_steps, depends_on],
        learnt,
    )
    for name, weights in _damage_weights(task).items():
        weights.data.copy_(torch.from_numpy(known[name]))
    return task


def damage_examples(modality: Modality, corpora: Corpora, vocabulary: Vocabulary, split: str) -> DamageExamples:
    """Sound and ruined inputs of a split."""
    if modality == "face":
        return face_damage.face_damage_examples(corpora.faces[split])
    if modality == "speech":
        return speech_ruin.speech_damage_examples(corpora.recordings[split])
    return word_damage.text_damage_examples(corpora.utterances[split], vocabulary)


def _damage_weights(task: EncoderTask) -> dict[str, torch.nn.Parameter]:
    return {name: value for name, value in task.named_parameters() if name.startswith(("encoder.damage", "ruin"))}


def restored(encoder: Encoder, train: Examples, schedule: Schedule, stored: Arrays) -> EncoderTask:
    """A trained task from its stored weights, in evaluation mode."""
    classes = {head: target.labels.shape[1] for head, target in train.targets.items()}
    task = EncoderTask(encoder, classes, schedule, steps=1)
    task.load_state_dict({name: torch.from_numpy(value) for name, value in stored.items()})
    task.eval()
    return task


@torch.no_grad()
def _start_from_glove(encoder: text_net.TextEncoder, vocabulary: Vocabulary, corpora: Corpora) -> None:
    encoder.embedding.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    encoder.embedding.weight[tokens.PAD] = 0.0
    if not corpora.glove:
        return
    vectors = np.stack(list(corpora.glove.values()))
    mean, spread = vectors.mean(axis=0), vectors.std()
    for number, word in enumerate(vocabulary.words):
        if word in corpora.glove:
            start = torch.from_numpy((corpora.glove[word] - mean) / spread * 0.3)
            encoder.embedding.weight[number, : len(start)] = start
