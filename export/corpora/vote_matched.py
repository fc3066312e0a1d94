"""Vote-matched pairs: a face, a voice and words that people judged alike, as one moment.

The media of the paper's corpora are licensed, so each recording of CREMA-D (and RAVDESS) is joined with FER+ faces
whose votes are nearest to what people saw in that very clip's face, and with utterances of the emotion that most
people found in the clip. Matched within a split only: no image, speaker or text crosses from training to test.
It is a surrogate until a user trains on real pairs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bundle import NetName
from edge.perceive.face_crop import face_input
from edge.perceive.tokens import Vocabulary
from edge.reading import MODALITIES
from export.corpora.emotions import EMOTIONS
from export.corpora.face_examples import disturb
from export.corpora.ferplus import Faces
from export.corpora.paired import PairedSteps
from export.corpora.recordings import Recording
from export.corpora.speech_examples import Before, step_ends, window
from export.corpora.utterances import CONVERSATIONS, Utterance

Encode = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Ready inputs (n, …) to features (n, dim), by the net file that is shipped: its rounding is part of the features."""

STEPS = 6
"""Steps of a pair: 3 s at the default hop. The last step of a shorter sentence is repeated."""

_FACE_CHOICES = 12
"""A recording is joined with one of so many faces with the nearest votes."""


def paired_steps(
    recordings: list[Recording],
    faces: Faces,
    utterances: list[Utterance],
    encode: Mapping[NetName, Encode],
    vocabulary: Vocabulary,
    hop_s: float,
    copies: int,
    seed: int,
) -> PairedSteps:
    """Join and encode; each recording stands `copies` times, with other faces and words each time."""
    rng = np.random.default_rng(seed)
    order = np.tile(np.arange(len(recordings)), copies)
    speech = np.concatenate([_speech(recordings, encode["speech"], hop_s, rng) for _ in range(min(copies, 2))])
    speech = np.resize(speech, (len(order), *speech.shape[1:]))
    chosen = [recordings[i] for i in order]

    face_index = draw_faces([r.face_votes for r in chosen], faces, rng)
    plain = encode["face"](face_input(faces.images))
    shaken = encode["face"](face_input(np.stack([disturb(image, rng) for image in faces.images])))
    two = np.stack([plain, shaken], axis=1)
    face = two[face_index[:, None], rng.integers(0, 2, (len(chosen), STEPS))]

    labels = np.stack([r.both_votes for r in chosen])
    said = draw_utterances(list(labels), utterances, rng)
    whole = np.concatenate([vocabulary.encode(u.words) for u in said])
    half = np.concatenate([vocabulary.encode(u.words[: (len(u.words) + 1) // 2]) for u in said])
    text_whole, text_half = encode["text"](whole), encode["text"](half)
    text = np.repeat(text_whole[:, None], STEPS, axis=1)
    text[:, :2] = text_half[:, None]

    present = np.ones((len(chosen), STEPS, len(MODALITIES)), np.bool_)
    present[:, 0, MODALITIES.index("text")] = False
    datasets = np.array([r.dataset for r in chosen])
    return PairedSteps({"face": face, "speech": speech, "text": text}, present, labels, datasets)


def _speech(recordings: list[Recording], encode: Encode, hop_s: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Features (recordings, STEPS, dim); half of the people have been talking before."""
    before = Before(recordings)
    ends = [step_ends(r, hop_s)[:STEPS] for r in recordings]
    said = [before.frames(r, rng) if rng.random() < 0.5 else None for r in recordings]
    inputs = [window(r, end, b) for r, steps, b in zip(recordings, ends, said, strict=True) for end in steps]
    encoded = np.split(encode(np.stack(inputs)), np.cumsum([len(steps) for steps in ends])[:-1])
    return np.stack([f[np.minimum(np.arange(STEPS), len(f) - 1)] for f in encoded])


def draw_utterances(
    wanted: list[NDArray[np.float32]], utterances: list[Utterance], rng: np.random.Generator
) -> list[Utterance]:
    """For each vote distribution wanted, something said of the emotion that most voted for."""
    spoken = [u for u in utterances if u.dataset in CONVERSATIONS and len(u.words) >= 3]
    by_emotion = {e: [u for u in spoken if u.emotion == e] for e in EMOTIONS}
    choices = [by_emotion[EMOTIONS[int(votes.argmax())]] for votes in wanted]
    return [of[int(rng.integers(len(of)))] for of in choices]


def draw_faces(wanted: list[NDArray[np.float32]], faces: Faces, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each vote distribution wanted, one of the faces with the nearest votes (L1): its number."""
    votes = faces.votes
    picked = np.empty(len(wanted), np.int64)
    jitter = rng.uniform(0, 1e-3, len(votes))  # many faces have the same votes: take all of them in turn
    for n, target in enumerate(wanted):
        distance = np.abs(votes - target).sum(axis=1) + rng.permutation(jitter)
        picked[n] = rng.choice(np.argpartition(distance, _FACE_CHOICES)[:_FACE_CHOICES])
    return picked
