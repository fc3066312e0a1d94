"""CMU-MOSI as ready features of three modalities, one vector an utterance: film reviews, for or against."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import M3erError
from edge.reading import Modality
from export.corpora.clip import report_skipped
from export.corpora.paired import FeaturePairs

MOSI_FILE = "mosi_utt_tri.npz"
MOSI_CLASSES = ("negative", "positive")

_COLUMN: dict[Modality, str] = {"face": "video", "speech": "audio", "text": "text"}
_SPLITS = ("train", "test")
_UTTERANCE = re.compile(r"(.+)_(\d+)")


def read_mosi(folder: Path) -> FeaturePairs:
    """All utterances in the split that the file gives, ``train`` and ``test``, which share no video.

    Utterances with a feature that is not finite are left out, counted and logged.

    Args:
        folder: holds ``mosi_utt_tri.npz``.

    Returns:
        ``person`` is the video: each has one person. ``position`` is the utterance's number in it.

    Raises:
        M3erError: the file is missing, damaged or not as described; a label is neither 0 nor 1.
    """
    path = folder / MOSI_FILE
    names = [f"{column}_{split}" for split in _SPLITS for column in (*_COLUMN.values(), "y", "utt")]
    arrays = read_arrays(path, names)
    features = {m: np.concatenate([arrays[f"{c}_{s}"] for s in _SPLITS]).astype(np.float32) for m, c in _COLUMN.items()}
    labels = np.concatenate([arrays[f"y_{split}"] for split in _SPLITS]).astype(np.int64)
    utterances = np.concatenate([arrays[f"utt_{split}"] for split in _SPLITS])
    split = np.repeat(_SPLITS, [len(arrays[f"y_{name}"]) for name in _SPLITS])
    check_rows(path, {**features, "label": labels, "split": split}, len(utterances))
    if not np.isin(labels, range(len(MOSI_CLASSES))).all():
        raise M3erError(f"{path}: labels are {np.unique(labels).tolist()}, must be 0 ({MOSI_CLASSES[0]}) or 1")
    matches = [_UTTERANCE.fullmatch(name) for name in utterances.tolist()]
    for name, match in zip(utterances, matches, strict=True):
        if match is None:
            raise M3erError(f"{path}: {str(name)!r} is not the name of an utterance, such as 03bSnISJMiM_11")
    parts = [match.groups() for match in matches if match is not None]
    finite = finite_rows(path, features, utterances)
    return FeaturePairs(
        name="cmu-mosi",
        features={m: array[finite] for m, array in features.items()},
        labels=labels[finite],
        label_names=MOSI_CLASSES,
        person=np.array([video for video, _ in parts])[finite],
        position=np.array([int(number) for _, number in parts], np.int64)[finite],
        split=split[finite],
    )


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Arrays of an ``.npz``, without pickle. Raises M3erError if it is missing, damaged or lacks one of `names`."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = [name for name in names if name not in stored]
            if missing:
                raise M3erError(f"{path}: lacks the array(s) {', '.join(missing)}")
            return {name: stored[name] for name in names}
    except FileNotFoundError:
        raise M3erError(f"{path}: no such file; give the folder that holds it, as in DATA/trimodal") from None
    except Exception as error:  # a damaged archive raises nearly anything: zlib, zipfile, struct, tokenize, …
        if isinstance(error, M3erError):
            raise
        raise M3erError(f"{path}: cannot be read ({error}); copy it again") from None


def check_rows(path: Path, arrays: dict[Any, NDArray[Any]], rows: int) -> None:
    """Raises M3erError where an array has another number of rows."""
    for name, array in arrays.items():
        if len(array) != rows:
            raise M3erError(f"{path}: {name} has {len(array)} rows for {rows} names; fetch it again")


def finite_rows(
    path: Path, features: dict[Modality, NDArray[np.float32]], names: NDArray[np.str_]
) -> NDArray[np.bool_]:
    """The rows whose features are all finite, bool (n,); the others are counted and logged.

    Raises:
        M3erError: most rows are not.
    """
    finite = np.logical_and.reduce([np.isfinite(array).all(axis=1) for array in features.values()])
    report_skipped(names[~finite].tolist(), len(names), f"rows of {path} are not finite", "fetch the file again")
    kept: NDArray[np.bool_] = finite
    return kept
