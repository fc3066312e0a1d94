"""Tiny corpora of exactly the layout of the real ones: enough to run the whole training side in a minute."""

import csv
import gzip
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from export.corpora.emotions import EMOTIONS, OF_ACTED_SPEECH, OF_FERPLUS

SPEAKERS = 8
_FACES = {"Training": 560, "PublicTest": 70, "PrivateTest": 70}
_SPOKEN = {
    "anger": "stop that now you liar",
    "disgust": "that smells really awful yuck",
    "fear": "help there is something outside",
    "happy": "what a wonderful lovely day",
    "neutral": "the meeting is at eleven",
    "sad": "i miss her so much",
    "surprise": "oh wow is that true",
}


def make_corpora(data: Path, rng: np.random.Generator) -> None:
    """Write face/, speech/ and text/ below `data`: each emotion has its own pattern, pitch and words."""
    for name in ("face", "speech", "text"):
        (data / name).mkdir(parents=True)
    _make_faces(data / "face", rng)
    _make_recordings(data / "speech", rng)
    _make_texts(data / "text", rng)


def write_table(path: Path, rows: list[dict[str, object]]) -> None:
    """A gzipped CSV."""
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _make_faces(folder: Path, rng: np.random.Generator) -> None:
    mosaic = np.zeros((189 * 48, 190 * 48), np.uint8)
    votes = list(OF_FERPLUS)
    rows: list[dict[str, object]] = []
    for split, count in _FACES.items():
        for _ in range(count):
            number, kind = len(rows), len(rows) % len(votes)
            row, column = divmod(number, 190)
            grid = np.arange(48)
            wave = np.sin(grid[:, None] * 0.1 * (kind + 1)) * np.cos(grid[None] * 0.15 * (kind + 1))
            tile = 128 + 70 * wave + rng.normal(0, 15, (48, 48))
            mosaic[row * 48 : row * 48 + 48, column * 48 : column * 48 + 48] = np.clip(tile, 0, 255)
            counts = {f"votes_{name}": 8 if i == kind else 0 for i, name in enumerate(votes)}
            others = {f"votes_{name}": 0 for name in ("contempt", "unknown", "NF")}
            rows.append(
                {"split": split, "ferplus_majority": votes[kind], "near_dup_in_training": 0, "dup_group": number}
                | counts
                | others
            )
    cv2.imwrite(str(folder / "fer2013plus.png"), mosaic)
    write_table(folder / "fer2013plus.csv.gz", rows)


def _make_recordings(folder: Path, rng: np.random.Generator) -> None:
    (folder / "crema").mkdir()
    rows: list[dict[str, object]] = []
    faces: list[dict[str, object]] = []
    for speaker in range(SPEAKERS):
        for kind, emotion in enumerate(("angry", "disgust", "fear", "happy", "neutral", "sad")):
            for take in range(2):
                clip = f"{speaker:04d}_{take}_{emotion}"
                t = np.arange(int(16_000 * 1.6)) / 16_000
                tone = np.sin(2 * np.pi * (150 + 130 * kind) * t) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * t))
                sound = 6_000 * tone + rng.normal(0, 60, len(t))
                write_sound(folder / "crema" / f"{clip}.ogg", sound.astype(np.int16))
                voted = {f"voice_votes_{name}": 0 for name in OF_ACTED_SPEECH if name not in ("calm", "surprise")}
                seen = {name.replace("voice_", ""): count for name, count in voted.items()}
                both = {name.replace("voice", "multi"): count for name, count in voted.items()}
                voted[f"voice_votes_{emotion}"] = seen[f"votes_{emotion}"] = both[f"multi_votes_{emotion}"] = 9
                rows.append(
                    {
                        "path": f"crema/{clip}.ogg",
                        "dataset": "crema",
                        "speaker": f"crema_{speaker}",
                        "emotion": emotion,
                        "act_start": 0.0,
                        "act_end": 1.55,
                        "flags": "",
                        **voted,
                        **both,
                    }
                )
                faces.append({"clip": clip, **seen})
    write_table(folder / "speech.csv.gz", rows)
    write_table(folder / "face_votes.csv.gz", faces)


def write_sound(path: Path, samples: NDArray[np.int16]) -> None:
    """Ogg Opus, mono, from int16 at 16 kHz."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def _make_texts(folder: Path, rng: np.random.Generator) -> None:
    fillers = ["well", "you know", "really", "today", "again", "please", "my friend", "then", "here", "maybe"]
    rows: list[dict[str, object]] = []
    for split, count in (("train", 150), ("dev", 20), ("test", 20)):
        for emotion in EMOTIONS:
            for number in range(count):
                words = _SPOKEN[emotion].split()
                words.insert(int(rng.integers(len(words))), str(rng.choice(fillers)))
                different = f"{split} {chr(97 + number % 26)}{chr(97 + number // 26)}"
                text = f"{rng.choice(fillers)} {' '.join(words)} {different}"
                rows.append({"text": text, "emotion7": emotion, "dataset": "MELD", "split": split})
    write_table(folder / "text.csv.gz", rows)
    words = sorted({word for sentence in _SPOKEN.values() for word in sentence.split()})
    np.savez(folder / "glove6B_50d_5k.npz", words=np.array(words), vec=rng.normal(size=(len(words), 50)))
