"""Moments of people that nothing was trained on, clean and with one modality damaged as life damages it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.capture.sample import SAMPLE_RATE_HZ
from edge.errors import M3erError
from edge.perceive.face_crop import face_input
from edge.perceive.log_mel import FRAME_HOP_S, log_mel, speech_input
from edge.perceive.sound_evidence import SoundEvidence
from edge.reading import Modality
from export.corpora import face_damage, sound_damage
from export.corpora.emotions import EMOTIONS
from export.corpora.everything import Corpora
from export.corpora.recordings import Recording, decode_sound
from export.corpora.speech_examples import step_ends
from export.corpora.vote_matched import draw_faces, draw_utterances
from export.corpora.word_damage import word_errors
from export.evaluate.whole_step import encoders_of

Array = NDArray[np.float32]

STEPS = 4
"""The last steps of a moment, as many as the check's window holds."""
WORD_ERRORS = (0.1, 0.2, 0.5)
KINDS: dict[Modality, tuple[str, ...]] = {
    "face": tuple(face_damage.KINDS),
    "speech": tuple(sound_damage.KINDS),
    "text": ("word errors", "wrong transcript"),
}


class DamageMoments:
    """Some moments of one split; encodes them clean or damaged. Features come standardised, (n, STEPS, dim)."""

    def __init__(self, bundle: Bundle, corpora: Corpora, speech_folder: Path, split: str, most: int, seed: int) -> None:
        """
        Args:
            speech_folder: holds the recordings' files, because sound is damaged before log-mel.
            most: so many moments, spread over the split's recordings.
        """
        rng = np.random.default_rng(seed)
        recordings = corpora.recordings[split]
        spread = np.linspace(0, len(recordings) - 1, min(most, len(recordings))).astype(int)
        self.recordings = [recordings[i] for i in spread]
        self._bundle = bundle
        self._encode = encoders_of(bundle)
        self._seed = seed
        self._sounds = [decode_sound(_file(speech_folder, r)) for r in self.recordings]
        faces = corpora.faces[split]
        self._faces = faces.images[draw_faces([r.face_votes for r in self.recordings], faces, rng)]
        self._said = draw_utterances([r.both_votes for r in self.recordings], corpora.utterances[split], rng)
        self._emotions = np.array([EMOTIONS[int(r.both_votes.argmax())] for r in self.recordings])
        self._pool = [word for u in corpora.utterances[split] for word in u.words][:200_000]

    def clean(self) -> dict[Modality, Array]:
        """Nothing damaged."""
        return {
            "face": self._face_features(self._faces[:, None].repeat(STEPS, axis=1)),
            "speech": self._speech_features(self._sounds),
            "text": self._text_features([u.words for u in self._said]),
        }

    def damaged(self, modality: Modality, kind: str, severity: int) -> Array:
        """The features of the damaged modality.

        Args:
            severity: 0 to 2.
        """
        rng = np.random.default_rng([self._seed, severity, KINDS[modality].index(kind)])
        if modality == "face":
            spoil = face_damage.KINDS[kind]
            images = [[spoil(face, severity, rng) for _ in range(STEPS)] for face in self._faces]
            return self._face_features(np.array(images, np.uint8))
        if modality == "speech":
            return self._speech_features(self.damaged_sounds(kind, severity))
        if kind == "word errors":
            rate = WORD_ERRORS[severity]
            return self._text_features([tuple(word_errors(u.words, rate, self._pool, rng)) for u in self._said])
        others = [np.flatnonzero(self._emotions != emotion) for emotion in self._emotions]
        # somebody else's words, said in another mood
        order = [int(rng.choice(of)) if len(of) else i for i, of in enumerate(others)]
        return self._text_features([self._said[i].words for i in order])

    def damaged_sounds(self, kind: str, severity: int) -> list[NDArray[np.int16]]:
        """The recordings, damaged; the same each time."""
        rng = np.random.default_rng([self._seed, severity, KINDS["speech"].index(kind)])
        spoil = sound_damage.KINDS[kind]
        return [spoil(sound, severity, rng, self._sounds) for sound in self._sounds]

    def sensor_fired(self, sounds: list[NDArray[np.int16]] | None = None) -> NDArray[np.bool_]:
        """Whether the device's own evidence (no signal, clipped, noise, silence) rejects the sound at its end, (n,)."""
        fired = []
        for recording, sound in zip(self.recordings, self._sounds if sounds is None else sounds, strict=True):
            heard = sound[: round(recording.end * FRAME_HOP_S * SAMPLE_RATE_HZ)]
            evidence = SoundEvidence()
            evidence.push(heard, log_mel(heard))
            fired.append(evidence.verdict()[0] is not None)
        return np.array(fired)

    def _face_features(self, images: NDArray[np.uint8]) -> Array:
        n, steps = images.shape[:2]
        features = self._encode["face"](face_input(images.reshape(n * steps, *images.shape[2:])))
        return self._standardised("face", features.reshape(n, steps, -1))

    def _speech_features(self, sounds: list[NDArray[np.int16]]) -> Array:
        inputs = []
        for recording, sound in zip(self.recordings, sounds, strict=True):
            frames = log_mel(sound)
            ends = step_ends(recording, self._bundle.manifest.hop_s)[-STEPS:]
            ends = [ends[0]] * (STEPS - len(ends)) + ends
            inputs += [speech_input(frames[recording.begin : end]) for end in ends]
        features = self._encode["speech"](np.stack(inputs))
        return self._standardised("speech", features.reshape(len(sounds), STEPS, -1))

    def _text_features(self, said: list[tuple[str, ...]]) -> Array:
        features = self._encode["text"](np.concatenate([self._bundle.vocabulary.encode(words) for words in said]))
        return self._standardised("text", features[:, None].repeat(STEPS, axis=1))

    def _standardised(self, modality: Modality, features: Array) -> Array:
        return self._bundle.tables.standardise(modality, features)


def _file(folder: Path, recording: Recording) -> Path:
    found = next(folder.glob(recording.clip + ".*"), None)
    if found is None:
        raise M3erError(f"{folder / recording.clip}.*: no such recording; --data must be what the bundle is scored on")
    return found
