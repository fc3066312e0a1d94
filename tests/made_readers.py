"""Tiny folders of exactly the layouts in which IEMOCAP, MELD, CMU-MOSEI and other corpora reach our users."""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import edge
from edge.capture.media_file import MediaFile
from edge.capture.sample import SAMPLE_RATE_HZ, Frame
from tests.made_media import cut, every, write_media

SAMPLE = Path(edge.__file__).parent / "samples" / "clip.mp4"

# What the raters wrote for each utterance: name, begin and end, emotion; the rest of a line is the same for all.
IEMOCAP_DIALOGUES = {
    "Ses01F_impro01": [
        ("Ses01F_impro01_F000", 6.2901, 8.2357, "neu"),
        ("Ses01F_impro01_M000", 10.01, 11.37, "exc"),
        ("Ses01F_impro01_F001", 12.5, 14.9, "fru"),
        ("Ses01F_impro01_F002", 15.0, 16.0, "xxx"),
    ],
    "Ses01M_script01_3": [
        ("Ses01M_script01_3_FXX0", 1.0, 2.5, "ang"),
        ("Ses01M_script01_3_M001", 3.0, 5.5, "sad"),
    ],
    "Ses02F_impro02": [("Ses02F_impro02_M003", 0.5, 3.0, "hap")],
}
IEMOCAP_SAID = {
    "Ses01F_impro01_F000": "Excuse me.",
    "Ses01F_impro01_M000": "[LAUGHTER] Do you have your forms? [BREATHING]",
    "Ses01M_script01_3_FXX0": "Don't.",
}
MELD_COLUMNS = ["Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"]
MELD_COLUMNS += ["Season", "Episode", "StartTime", "EndTime"]


def make_iemocap(folder: Path, videos: bool = True) -> Path:
    """IEMOCAP_full_release with three dialogues; media are there, but cannot be played."""
    for dialogue, utterances in IEMOCAP_DIALOGUES.items():
        session = folder / f"Session{int(dialogue[3:5])}"
        evaluated = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        said = ""
        for name, begin_s, end_s, emotion in utterances:
            evaluated += f"[{begin_s:.4f} - {end_s:.4f}]\t{name}\t{emotion}\t[2.5000, 2.5000, 2.5000]\n"
            evaluated += "C-E2:\tNeutral;\t()\nC-F1:\tNeutral; Other;\t(curious)\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
            said += f"{name} [{begin_s:08.4f}-{end_s:08.4f}]: {IEMOCAP_SAID.get(name, 'Well.')}\n"
            write_bytes(session / "sentences" / "wav" / dialogue / f"{name}.wav")
        rated = session / "dialog" / "EmoEvaluation"
        write_text(rated / f"{dialogue}.txt", evaluated)
        write_text(rated / f"._{dialogue}.txt", "a file of macOS, as the release has many")
        write_text(rated / "Categorical" / f"{dialogue}_e2_cat.txt", "Ses01F_impro01_F000 :Neutral state; ()\n")
        write_text(session / "dialog" / "transcriptions" / f"{dialogue}.txt", said + "M: Yeah.\n")
        if videos:
            write_bytes(session / "dialog" / "avi" / "DivX" / f"{dialogue}.avi")
    return folder


def meld_row(number: int, utterance: str, speaker: str, emotion: str, dialogue: int, place: int) -> list[object]:
    """A row as in train_sent_emo.csv."""
    times = ["00:16:16,059", "00:16:21,731"]
    return [number, utterance, speaker, emotion, "neutral", dialogue, place, 8, 21, *times]


def make_meld(folder: Path, inner: bool = False) -> Path:
    """MELD.Raw: seven training, two development and two test utterances; media cannot be played.

    Args:
        inner: each part lies in a folder of its own, ``train``, ``dev`` and ``test``.
    """
    emotions = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
    parts = {
        "train": (
            "train_splits",
            [meld_row(i, "He\x92s lost it, totally.", "Ross", e, 0, i) for i, e in enumerate(emotions)],
        ),
        "dev": ("dev_splits_complete", [meld_row(i, "Hi! “Roomie”", "Mrs. Green", "joy", 3, i) for i in range(2)]),
        "test": ("output_repeated_splits_test", [meld_row(i, "What?", "Ross", "surprise", 0, i) for i in range(2)]),
    }
    for part, (videos, rows) in parts.items():
        where = folder / part if inner else folder
        write_csv(where / f"{part}_sent_emo.csv", MELD_COLUMNS, rows)
        for row in rows:
            write_bytes(where / videos / f"dia{row[5]}_utt{row[6]}.mp4")
        write_bytes(where / videos / "._dia9_utt9.mp4")
    return folder


def write_csd(path: Path, root: str, videos: Mapping[str, tuple[Any, Any]]) -> Path:
    """A computational sequence of the CMU SDK: video id to features and intervals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for video, (features, intervals) in videos.items():
            group = file.create_group(f"{root}/data/{video}")
            group["features"] = np.asarray(features, np.float32)
            group["intervals"] = np.asarray(intervals, np.float64)
        about = {"root name": root, "computational sequence version": "1.0", "alignment compatible": True}
        for key, value in about.items():
            file[f"{root}/metadata/{key}"] = np.array([json.dumps(value).encode()])
    return path


def steady(size: int, seconds: int, offset: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Two frames a second; every value of frame i is i + offset."""
    at = np.arange(2 * seconds)
    return np.repeat(at[:, None] + offset, size, axis=1).astype(np.float32), np.stack([at / 2, (at + 1) / 2], axis=1)


def make_mosei(folder: Path) -> Path:
    """Two videos of ten seconds. In the files' order the sentences of the first do not follow each other."""
    labels = {
        # sentiment, happy, sad, anger, surprise, disgust, fear
        "-3g5yACwYnA": (
            [[3, 0, 2, 1, 0, 0, 0], [-3, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 1, 0, 0]],
            [[4, 6], [6, 8], [1, 2]],
        ),
        "zv0Jl4TIQDc": ([[0, 0, 0, 0, 0, 0.33, 3]], [[0.25, 0.75]]),
    }
    write_csd(folder / "labels" / "CMU_MOSEI_Labels.csd", "All Labels", labels)
    sizes = {
        "visual/CMU_MOSEI_VisualFacet42.csd": ("FACET 4.2", 35),
        "acoustic/CMU_MOSEI_COVAREP.csd": ("COVAREP", 74),
        "language/CMU_MOSEI_TimestampedWordVectors.csd": ("glove_vectors", 300),
    }
    for number, (name, (root, size)) in enumerate(sizes.items()):
        write_csd(folder / name, root, {video: steady(size, 10, 100 * number) for video in labels})
    return folder


def make_trimodal(folder: Path) -> Path:
    """mosi_utt_tri.npz and ravdess_au35_mfcc259.npz with a few rows."""
    rng = np.random.default_rng(0)
    mosi: dict[str, NDArray[Any]] = {}
    names = {"train": ["1DmNV9C1hbY_10", "1DmNV9C1hbY_2", "a_b_3"], "test": ["03bSnISJMiM_1", "03bSnISJMiM_12"]}
    for split, utterances in names.items():
        n = len(utterances)
        for column, size in (("text", 100), ("audio", 73), ("video", 100)):
            mosi[f"{column}_{split}"] = rng.normal(size=(n, size)).astype(np.float32)
        mosi[f"y_{split}"] = np.arange(n, dtype=np.int8) % 2
        mosi[f"utt_{split}"] = np.array(utterances)
    performed = [f"01-01-{e:02d}-01-01-01-{actor:02d}" for e in range(1, 9) for actor in (1, 2)]
    ravdess: dict[str, NDArray[Any]] = {
        "face_au": rng.normal(size=(16, 35)).astype(np.float32),
        "speech_mfcc": rng.normal(size=(16, 259)).astype(np.float32),
        "emotion": np.repeat(np.arange(1, 9, dtype=np.int8), 2),
        "actor": np.tile(np.array([1, 2], np.int8), 8),
        "name": np.array(performed),
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "mosi_utt_tri.npz", allow_pickle=False, **mosi)
    np.savez(folder / "ravdess_au35_mfcc259.npz", allow_pickle=False, **ravdess)
    return folder


def make_talk(folder: Path) -> Path:
    """Cut out of the sample clip, 3.2 s in which a face is seen and somebody speaks.

    ``talk.mp4``; ``pair.mp4``, without sound, that person on the left and a picture without a face on the right;
    ``talk.wav``, the sound alone; ``broken.mp4`` and ``text.mp4``, not to be read.
    """
    frames: list[NDArray[np.uint8]] = []
    sound: list[NDArray[np.int16]] = []
    with MediaFile(SAMPLE) as media:
        for sample in media.samples():
            if 2.0e9 < sample.captured_ns <= 5.2e9:
                if isinstance(sample, Frame):
                    frames.append(sample.image)
                else:
                    sound.append(sample.samples)
            if sample.captured_ns > 5.2e9:
                break
    voice = np.concatenate(sound)
    write_media(folder / "talk.mp4", every(0.1, frames), voice, rate_hz=SAMPLE_RATE_HZ)
    beside = [np.concatenate([image, np.roll(image[::-1, ::-1], i, axis=1)], axis=1) for i, image in enumerate(frames)]
    write_media(folder / "pair.mp4", every(0.1, beside))
    write_media(folder / "talk.wav", None, voice, rate_hz=SAMPLE_RATE_HZ, audio_codec="pcm_s16le")
    cut(folder / "talk.mp4", folder / "broken.mp4", 0.5)
    (folder / "text.mp4").write_text("not a film")
    return folder


def change_npz(path: Path, **arrays: NDArray[Any] | None) -> None:
    """Put other arrays into an npz; None takes one out."""
    with np.load(path) as stored:
        kept = {**stored, **arrays}
    np.savez(path, allow_pickle=False, **{key: array for key, array in kept.items() if array is not None})


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_bytes(path: Path) -> None:
    """A file that is there, and nothing more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not media")


def remove(folder: Path, pattern: str) -> None:
    """Delete what matches; there must be something."""
    found = list(folder.glob(pattern))
    assert found
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
