"""RAVDESS as ready features: action units of a face and MFCC of the same performance's voice. There is no text.

Everybody says one of two sentences in every emotion, so words tell nothing here.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import M3erError
from export.corpora.mosi import check_rows, finite_rows, read_arrays
from export.corpora.paired import FeaturePairs

RAVDESS_FILE = "ravdess_au35_mfcc259.npz"
RAVDESS_EMOTIONS = ("neutral", "calm", "happy", "sad", "anger", "fear", "disgust", "surprise")
"""In the order of RAVDESS's codes 1 to 8."""

_VIDEO, _SOUND = "01-", "03-"


def read_ravdess_pairs(folder: Path) -> tuple[FeaturePairs, NDArray[np.str_]]:
    """All performances, and each one's name, such as ``01-01-06-01-02-01-12``, in the same order.

    Performances with a feature that is not finite are left out, counted and logged.

    Args:
        folder: holds ``ravdess_au35_mfcc259.npz``.

    Returns:
        ``face`` float32 (n, 35) and ``speech`` (n, 259); ``person`` is the actor, as ``ravdess_01``; ``position`` the
        performance's place among the actor's, by name; no split.

    Raises:
        M3erError: the file is missing, damaged or not as described.
    """
    path = folder / RAVDESS_FILE
    arrays = read_arrays(path, ["face_au", "speech_mfcc", "emotion", "actor", "name"])
    names: NDArray[np.str_] = arrays["name"]
    check_rows(path, {key: array for key, array in arrays.items() if key != "name"}, len(names))
    labels = arrays["emotion"].astype(np.int64) - 1
    for name, label in zip(names.tolist(), labels.tolist(), strict=True):
        if not 0 <= label < len(RAVDESS_EMOTIONS):
            raise M3erError(f"{path}: {name} has the emotion {label + 1}, must be 1 to {len(RAVDESS_EMOTIONS)}")
        recording_of(name)
    finite = finite_rows(path, {"face": arrays["face_au"], "speech": arrays["speech_mfcc"]}, names)
    person = np.array([f"ravdess_{actor:02d}" for actor in arrays["actor"].tolist()])[finite]
    kept = names[finite]
    position = np.zeros(len(kept), np.int64)
    for actor in np.unique(person):
        rows = np.flatnonzero(person == actor)
        position[rows[np.argsort(kept[rows])]] = np.arange(len(rows))
    pairs = FeaturePairs(
        name="ravdess",
        features={
            "face": arrays["face_au"][finite].astype(np.float32),
            "speech": arrays["speech_mfcc"][finite].astype(np.float32),
        },
        labels=labels[finite],
        label_names=RAVDESS_EMOTIONS,
        person=person,
        position=position,
        split=np.full(len(kept), ""),
    )
    return pairs, kept


def recording_of(name: str) -> str:
    """The stem of the sound-only recording of the performance whose video has this name: ``03-…`` for ``01-…``.

    Raises:
        M3erError: `name` is not that of a video with sound.
    """
    if not name.startswith(_VIDEO):
        raise M3erError(f"{name!r} is not the name of a RAVDESS video with sound, such as 01-01-06-01-02-01-12")
    return _SOUND + name.removeprefix(_VIDEO)
