"""The three encoders of a bundle: how each is trained, and kept so that a stopped run goes on."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edge.perceive import face_crop, log_mel, tokens
from edge.perceive.tokens import Vocabulary
from edge.reading import Modality
from export.corpora import face_examples as faces
from export.corpora import ferplus, recordings, utterances
from export.corpora import speech_examples as speech
from export.corpora import text_examples as text
from export.corpora.cache import Arrays, cached, source_digest
from export.corpora.everything import Corpora
from export.nets import encoder_training
from export.nets import face as face_net
from export.nets import speech as speech_net
from export.nets import text as text_net
from export.nets.encoder_training import EncoderTask, Examples, Schedule, train_encoder


@dataclass(frozen=True)
class Schedules:
    """How long each encoder is trained. The default fits two cores; a test may ask for less."""

    face: Schedule = field(default=Schedule(epochs=24, batch=128, learning_rate=4e-3))
    speech: Schedule = field(default=Schedule(epochs=45, batch=96, learning_rate=3e-3, weight_decay=0.05))
    text: Schedule = field(default=Schedule(epochs=6, batch=256, learning_rate=3e-3, weight_decay=0.1))


def train_encoders(
    corpora: Corpora, vocabulary: Vocabulary, cache: Path, seed: int, schedules: Schedules
) -> dict[Modality, EncoderTask]:
    """Train what is not in the cache for the same data, code, schedule and seed."""
    spoken = [u for u in corpora.utterances["validation"] if u.dataset in utterances.CONVERSATIONS]
    text_encoder = text_net.TextEncoder(len(vocabulary))
    _start_from_glove(text_encoder, vocabulary, corpora)
    plan: dict[Modality, tuple[nn.Module, Examples, Examples, Schedule, str]] = {
        "face": (
            face_net.FaceEncoder(),
            faces.face_examples(corpora.faces["train"]),
            faces.face_examples(corpora.faces["validation"]),
            schedules.face,
            source_digest(face_net, faces, ferplus, face_crop, encoder_training),
        ),
        "speech": (
            speech_net.SpeechEncoder(),
            speech.speech_examples(corpora.recordings["train"]),
            speech.speech_examples(corpora.recordings["validation"]),
            schedules.speech,
            source_digest(speech_net, speech, recordings, log_mel, encoder_training),
        ),
        "text": (
            text_encoder,
            text.text_examples(corpora.utterances["train"], vocabulary),
            text.text_examples(spoken, vocabulary),
            schedules.text,
            source_digest(text_net, text, utterances, tokens, encoder_training),
        ),
    }
    return {modality: _train(modality, *parts, cache=cache, seed=seed) for modality, parts in plan.items()}


def _train(
    modality: Modality,
    encoder: nn.Module,
    train: Examples,
    validation: Examples,
    schedule: Schedule,
    code: str,
    cache: Path,
    seed: int,
) -> EncoderTask:
    def compute() -> Arrays:
        task = train_encoder(modality, encoder, train, validation, schedule, seed)
        return {name: value.numpy() for name, value in task.state_dict().items()}

    labels = [len(train.labels), float(np.square(train.labels).sum()), float(train.weights.sum())]
    stored = cached(cache, f"{modality}-encoder", [code, asdict(schedule), seed, labels], compute)
    task = EncoderTask(encoder, schedule, steps=1)
    task.load_state_dict({name: torch.from_numpy(value) for name, value in stored.items()})
    task.eval()
    return task


@torch.no_grad()
def _start_from_glove(encoder: text_net.TextEncoder, vocabulary: Vocabulary, corpora: Corpora) -> None:
    vectors = np.stack(list(corpora.glove.values()))
    mean, spread = vectors.mean(axis=0), vectors.std()
    encoder.embedding.weight.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    for number, word in enumerate(vocabulary.words):
        if word in corpora.glove:
            encoder.embedding.weight[number] = torch.from_numpy((corpora.glove[word] - mean) / spread * 0.5)
    encoder.embedding.weight[tokens.PAD] = 0.0
