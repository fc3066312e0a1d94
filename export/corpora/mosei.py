"""CMU-MOSEI: sentences of people who talk into a camera, as the CMU Multimodal SDK distributes their features.

A computational sequence, ``*.csd``, is an HDF5 file: ``/<name>/data/<video>/features`` float (frames, size) and
``…/intervals`` float (frames, 2), the seconds in which each frame begins and ends. Four of them are read, wherever
they lie below the folder:

    CMU_MOSEI_Labels.csd                   sentiment, happy, sad, anger, surprise, disgust, fear of each sentence
    CMU_MOSEI_VisualFacet42.csd            face; CMU_MOSEI_VisualOpenFace2.csd where there is no Facet
    CMU_MOSEI_COVAREP.csd                  speech
    CMU_MOSEI_TimestampedWordVectors.csd   text, GloVe

The owners' split is a list of videos in the SDK: put its ``cmu_mosei_std_folds.py`` beside them (it is read, never
run), or the three lists as ``standard_train_fold.txt``, ``standard_valid_fold.txt``, ``standard_test_fold.txt``.
"""

import ast
import logging
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from edge.errors import M3erError
from edge.reading import MODALITIES, Modality
from export.corpora.paired import FeaturePairs

MOSEI_EMOTIONS = ("anger", "disgust", "fear", "happy", "sad", "surprise")
ASK = (
    "CMU-MOSEI: see http://multicomp.cs.cmu.edu/resources/cmu-mosei-dataset/ and fetch its computational sequences "
    "with the CMU Multimodal SDK"
)

_LABEL_COLUMNS = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")
_EMOTION_COLUMNS = [_LABEL_COLUMNS.index(name) for name in MOSEI_EMOTIONS]
# What a file is called, without regard to case; the first that is there is taken.
_LABELS = (r"mosei.*labels\.csd",)
_FILES: dict[Modality, tuple[str, ...]] = {
    "face": (r"mosei.*facet.*\.csd", r"mosei.*openface.*\.csd"),
    "speech": (r"mosei.*covarep.*\.csd",),
    "text": (r"mosei.*wordvectors.*\.csd", r"mosei.*glovevectors.*\.csd"),
}
_EXAMPLES = {
    "labels": "CMU_MOSEI_Labels.csd",
    "face": "CMU_MOSEI_VisualFacet42.csd",
    "speech": "CMU_MOSEI_COVAREP.csd",
    "text": "CMU_MOSEI_TimestampedWordVectors.csd",
}
_FOLDS = {"train": "standard_train_fold", "validation": "standard_valid_fold", "test": "standard_test_fold"}
_FOLDS_OF_SDK = "cmu_mosei_std_folds.py"
_log = logging.getLogger(__name__)


def read_mosei(folder: Path) -> FeaturePairs:
    """One vector a modality and sentence: the mean of the frames that overlap it.

    The label is the strongest of the six emotions, the first in the files' order where two are equally strong.
    Left out, counted and logged: sentences without any emotion, sentences for which a modality has no frame, and
    videos that the lists do not name. Frames with a value that is not finite (COVAREP has -inf) do not count.

    Args:
        folder: holds the four files, in whatever folders, and the lists if there are any.

    Returns:
        ``person`` is the video: one person each, who is not named and may have several videos, but all in one part
        of the owners' split. ``position`` is the sentence's place in its video. ``split`` is empty without lists.

    Raises:
        M3erError: a file or a list is missing, ambiguous, damaged or not like MOSEI's; or nothing is left.
    """
    if not folder.is_dir():
        raise M3erError(f"{folder}: no such folder; {ASK}")
    folds = _folds(folder)
    dropped: Counter[str] = Counter()
    features: dict[Modality, list[NDArray[np.float32]]] = {m: [] for m in MODALITIES}
    labels: list[int] = []
    person: list[str] = []
    position: list[int] = []
    with ExitStack() as files:
        rated = _Sequence(_find(folder, "labels", _LABELS), files)
        frames = {m: _Sequence(_find(folder, m, _FILES[m]), files) for m in MODALITIES}
        for video in track(sorted(rated.videos), "reading CMU-MOSEI"):
            scores, spoken = rated.frames(video)
            if len(scores) and scores.shape[1] != len(_LABEL_COLUMNS):
                raise M3erError(
                    f"{rated.path}: {video} has {scores.shape[1]} columns, not {', '.join(_LABEL_COLUMNS)}; {ASK}"
                )
            if folds and video not in folds:
                dropped["in a video that the lists do not name"] += len(scores)
                continue
            order = np.argsort(spoken[:, 0], kind="stable")
            means = {m: frames[m].means(video, spoken[order]) for m in MODALITIES}
            for place, number in enumerate(order):
                if not scores[number, 1:].max() > 0:
                    dropped["without an emotion"] += 1
                    continue
                found = {m: mean for m in MODALITIES if (mean := means[m][place]) is not None}
                if len(found) < len(MODALITIES):
                    dropped[f"without {' and '.join(m for m in MODALITIES if m not in found)}"] += 1
                    continue
                for m, mean in found.items():
                    features[m].append(mean)
                strongest = _LABEL_COLUMNS[1 + int(scores[number, 1:].argmax())]
                labels.append(MOSEI_EMOTIONS.index(strongest))
                person.append(video)
                position.append(place)
        for sequence in frames.values():
            if sequence.bad_frames:
                _log.warning("%s: %d frames are not finite and left out", sequence.path, sequence.bad_frames)
    if dropped:
        _log.warning("CMU-MOSEI: sentences left out: %s", ", ".join(f"{n} {why}" for why, n in dropped.items()))
    if not labels:
        why = ", ".join(f"{n} {why}" for why, n in dropped.items()) or "the label file names no sentence"
        raise M3erError(f"{folder}: no usable sentence ({why}); the four files must be of the same, unaligned release")
    return FeaturePairs(
        name="cmu-mosei",
        features={m: np.stack(features[m]) for m in MODALITIES},
        labels=np.array(labels, np.int64),
        label_names=MOSEI_EMOTIONS,
        person=np.array(person),
        position=np.array(position, np.int64),
        split=np.array([folds.get(video, "") for video in person]),
    )


class _Sequence:
    """One ``*.csd``, read video by video: COVAREP alone is larger than most machines' memory."""

    def __init__(self, path: Path, files: ExitStack) -> None:
        self.path = path
        self.bad_frames = 0
        try:
            file = files.enter_context(h5py.File(path, "r"))
            roots = [name for name in file if isinstance(file[name], h5py.Group) and "data" in file[name]]
        except (OSError, RuntimeError) as error:
            raise M3erError(f"{path}: cannot be read as HDF5 ({error}); fetch it again. {ASK}") from None
        if len(roots) != 1:
            raise M3erError(f"{path}: not a computational sequence, its groups are {list(file)}; {ASK}")
        self._data: Any = file[roots[0]]["data"]
        self.videos: set[str] = set(self._data)

    def frames(self, video: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Features (frames, size) and intervals (frames, 2) in seconds."""
        try:
            features = np.asarray(self._data[video]["features"], np.float32)
            intervals = np.asarray(self._data[video]["intervals"], np.float64)
        except (KeyError, OSError, ValueError, TypeError) as error:
            raise M3erError(f"{self.path}: {video} cannot be read ({error}); fetch the file again") from None
        if not features.size:  # a video in which nothing was found
            return np.empty((0, 0), np.float32), np.empty((0, 2))
        if features.ndim != 2 or intervals.shape != (len(features), 2):
            shapes = f"features {features.shape} and intervals {intervals.shape}"
            raise M3erError(f"{self.path}: {video} has {shapes}, not one of each a frame; fetch the file again")
        return features, intervals

    def means(self, video: str, spans: NDArray[np.float64]) -> list[NDArray[np.float32] | None]:
        """Mean of the frames that overlap each span (spans, 2), float32 (size,); None where there is none."""
        if video not in self.videos:
            return [None] * len(spans)
        features, intervals = self.frames(video)
        finite = np.isfinite(features).all(axis=1)
        self.bad_frames += int((~finite).sum())
        means: list[NDArray[np.float32] | None] = []
        for begin_s, end_s in spans:
            chosen = finite & (intervals[:, 0] < end_s) & (intervals[:, 1] > begin_s)
            means.append(features[chosen].mean(axis=0, dtype=np.float64).astype(np.float32) if chosen.any() else None)
        return means


def _find(folder: Path, what: str, patterns: tuple[str, ...]) -> Path:
    files = sorted(folder.rglob("*.csd"))
    for pattern in patterns:
        found = [path for path in files if re.search(pattern, path.name, re.IGNORECASE)]
        if len(found) > 1:
            raise M3erError(f"{found[0]} and {found[1]}: both may hold the {what}; leave one of them below {folder}")
        if found:
            return found[0]
    here = ", ".join(path.name for path in files) or "no *.csd at all"
    raise M3erError(f"{folder / _EXAMPLES[what]}: no such file for the {what} (there is {here}); {ASK}")


def _folds(folder: Path) -> dict[str, str]:
    """The split of each video that the owners' lists name; empty where there are no lists."""
    sdk = folder / _FOLDS_OF_SDK
    texts = {split: folder / f"{name}.txt" for split, name in _FOLDS.items()}
    if sdk.is_file():
        lists = _lists_of_sdk(sdk)
    elif any(path.is_file() for path in texts.values()):
        missing = next((path for path in texts.values() if not path.is_file()), None)
        if missing is not None:
            raise M3erError(f"{missing}: no such file, though another list is there; give all three or none")
        lists = {s: re.split(r"[\s,'\"\[\]]+", path.read_text(encoding="utf-8")) for s, path in texts.items()}
    else:
        return {}
    folds: dict[str, str] = {}
    for split, videos in lists.items():
        for video in filter(None, videos):
            if folds.setdefault(video, split) != split:
                raise M3erError(f"{folder}: the lists put the video {video} into {folds[video]} and {split}")
    return folds


def _lists_of_sdk(path: Path) -> dict[str, list[str]]:
    """The SDK's three lists, taken out of its source without running it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        values = {
            target.id: [str(video) for video in ast.literal_eval(node.value)]
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name) and target.id in _FOLDS.values()
        }
        return {split: values[name] for split, name in _FOLDS.items()}
    except (OSError, SyntaxError, ValueError, TypeError, KeyError) as error:
        raise M3erError(f"{path}: not the SDK's lists of videos ({error!r}); {ASK}") from None
