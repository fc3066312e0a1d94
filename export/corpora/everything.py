"""All corpora of the default bundle, in splits by person, image and text."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import M3erError
from export.corpora.ferplus import Faces, read_ferplus
from export.corpora.recordings import Recording, read_recordings
from export.corpora.utterances import Utterance, read_glove, read_utterances


@dataclass(frozen=True)
class Corpora:
    """Splits ``train`` (encoders), ``matching`` (CCA, basis, fusion), ``validation`` and ``test``."""

    faces: dict[str, Faces]
    recordings: dict[str, list[Recording]]
    utterances: dict[str, list[Utterance]]
    glove: dict[str, NDArray[np.float32]]


def read_corpora(data: Path, cache: Path, seed: int) -> Corpora:
    """Read everything. Raises M3erError that names what is missing."""
    if not data.is_dir():
        raise M3erError(f"{data}: no such folder; --data must hold face/, speech/ and text/")
    return Corpora(
        faces=read_ferplus(data / "face", seed),
        recordings=read_recordings(data / "speech", cache, seed),
        utterances=read_utterances(data / "text", seed),
        glove=read_glove(data / "text"),
    )
