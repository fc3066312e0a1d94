"""FER2013 faces with FER+ votes: 48x48 grey tiles of one mosaic."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import M3erError
from export.corpora.emotions import EMOTIONS, OF_FERPLUS
from export.corpora.table import read_table

_ROWS, _COLUMNS, _SIDE = 189, 190, 48
_OTHER_VOTES = ("votes_contempt", "votes_unknown", "votes_NF")
MATCHING_SHARE = 0.08
"""Part of the training faces kept from the encoder: the fusion must learn from features as good as on strangers."""


@dataclass(frozen=True)
class Faces:
    """Some faces of one split.

    Attributes:
        images: uint8 (n, 48, 48).
        votes: float32 (n, 7), shares of the votes for EMOTIONS, each row sums to 1.
    """

    images: NDArray[np.uint8]
    votes: NDArray[np.float32]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Majority emotion of each face, (n,)."""
        labels: NDArray[np.int64] = self.votes.argmax(axis=1)
        return labels


def read_ferplus(folder: Path, seed: int) -> dict[str, Faces]:
    """The splits ``train``, ``matching`` (out of Training), ``validation`` (PublicTest) and ``test`` (PrivateTest).

    Near-duplicates stay on one side: test and validation faces that also stand in Training are left out, and
    ``matching`` takes whole duplicate groups. Test and validation keep faces whose majority is one of the seven.

    Args:
        folder: holds ``fer2013plus.png`` and ``fer2013plus.csv.gz``.
        seed: decides which groups go to ``matching``.
    """
    vote_columns = [f"votes_{name}" for name in OF_FERPLUS]
    table = folder / "fer2013plus.csv.gz"
    rows = read_table(table, [*vote_columns, *_OTHER_VOTES, "split", "near_dup_in_training", "dup_group"])
    mosaic = cv2.imread(str(folder / "fer2013plus.png"), cv2.IMREAD_GRAYSCALE)
    if mosaic is None or mosaic.shape != (_ROWS * _SIDE, _COLUMNS * _SIDE):
        raise M3erError(f"{folder / 'fer2013plus.png'}: missing, or not the mosaic of {_ROWS} x {_COLUMNS} tiles")
    tiles = mosaic.reshape(_ROWS, _SIDE, _COLUMNS, _SIDE).swapaxes(1, 2).reshape(-1, _SIDE, _SIDE)
    if len(rows) > len(tiles):
        raise M3erError(f"{table}: has {len(rows)} rows for {len(tiles)} tiles")

    ours = np.array([[int(row[column]) for column in vote_columns] for row in rows], np.float32)
    ours = ours[:, [list(OF_FERPLUS.values()).index(name) for name in EMOTIONS]]
    others = np.array([[int(row[column]) for column in _OTHER_VOTES] for row in rows], np.float32)
    split = np.array([row["split"] for row in rows])
    near_duplicate = np.array([row["near_dup_in_training"] == "1" for row in rows])
    group = np.array([int(row["dup_group"]) for row in rows])

    usable = (ours.sum(1) >= 3) & (others.sum(1) < ours.sum(1))  # few votes for the seven: no emotion to learn
    clear = ours.max(1) > others.max(1)
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.unique(group[split == "Training"]))
    kept_back = np.isin(group, groups[: int(len(groups) * MATCHING_SHARE)])
    test = (split == "PrivateTest") & _seven_majority(rows) & ~near_duplicate
    also_in_test = np.isin(group, group[test])
    chosen = {
        "train": (split == "Training") & usable & ~kept_back,
        "matching": (split == "Training") & usable & kept_back,
        "validation": (split == "PublicTest") & usable & clear & ~near_duplicate & ~also_in_test,
        "test": test,
    }
    votes = ours / np.maximum(ours.sum(1, keepdims=True), 1)
    return {name: Faces(tiles[: len(rows)][mask], votes[mask]) for name, mask in chosen.items()}


def _seven_majority(rows: list[dict[str, str]]) -> NDArray[np.bool_]:
    """The honest test set's rule: FER+'s own majority is one of the seven emotions."""
    names = set(OF_FERPLUS) | set(OF_FERPLUS.values())
    return np.array([row["ferplus_majority"] in names for row in rows])
