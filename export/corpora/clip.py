"""One labelled moment of a person: what every corpus that comes as media is brought to, and its splits."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edge.errors import M3erError

SPLITS = ("train", "validation", "test")
SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
"""Of the speakers."""

_TOO_MANY = 0.5
"""With more than this share of a corpus missing or unreadable, it was not unpacked or copied properly."""
_FIRST_NAMES = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """Somebody says something, and people agreed on how they feel.

    Attributes:
        dataset: the corpus, in lower case.
        name: unique in its corpus.
        speaker: unique in its corpus; splits go by it.
        split: the owner's, one of SPLITS; empty where the owner gives none.
        emotion: one of the corpus's classes, under the names that this project uses.
        transcript: what is said; may be empty.
        media: a video with sound, or a sound file.
        begin_s, end_s: the part of `media`, seconds; None for its beginning and its end.
        side: the half of the picture that shows the speaker, where two people share it; empty for all of it.
        sound: the same moment's sound from its own beginning, where the owner cut it out; None for that of `media`.
    """

    dataset: str
    name: str
    speaker: str
    split: str
    emotion: str
    transcript: str
    media: Path
    begin_s: float | None = None
    end_s: float | None = None
    side: Literal["", "left", "right"] = ""
    sound: Path | None = None


def split_by_speaker(clips: Sequence[Clip], seed: int, shares: Mapping[str, float] = SHARES) -> dict[str, list[Clip]]:
    """The splits ``train``, ``validation`` and ``test``, in the clips' own order.

    The owner's split is kept where every clip has one, even if speakers recur in it (MELD); else no speaker is in
    two of them, and each has at least one speaker.

    Args:
        seed: decides which speaker goes where.
        shares: of the speakers, for each of SPLITS; they sum to 1.

    Raises:
        M3erError: no clips, a split for some of them only, an unknown or an empty one, or fewer than 3 speakers.
    """
    if not clips:
        raise M3erError("there are no clips to split; check the corpus folder")
    owned = sum(bool(clip.split) for clip in clips)
    if 0 < owned < len(clips):
        without = next(clip.name for clip in clips if not clip.split)
        raise M3erError(
            f"{owned} of {len(clips)} clips name a split, {without} does not; give one to every clip or to none"
        )
    where = {} if owned else _split_speakers(clips, seed, shares)
    splits: dict[str, list[Clip]] = {name: [] for name in SPLITS}
    for clip in clips:
        split = clip.split or where[clip.speaker]
        if split not in splits:
            raise M3erError(f"{clip.name}: unknown split {split!r}; known are {', '.join(SPLITS)}")
        splits[split].append(clip)
    for name, chosen in splits.items():
        if not chosen:
            raise M3erError(f"the split {name!r} is empty; give clips to each of {', '.join(SPLITS)}, or none a split")
    return splits


def _split_speakers(clips: Sequence[Clip], seed: int, shares: Mapping[str, float]) -> dict[str, str]:
    speakers = sorted({clip.speaker for clip in clips})
    if len(speakers) < len(SPLITS):
        who = "one speaker only" if len(speakers) == 1 else f"{len(speakers)} speakers only"
        raise M3erError(
            f"{who} ({', '.join(speakers)}): training, validation and test need one each at least, and nobody may be "
            "in two of them, or the scores mean nothing; add people, or check the speaker column"
        )
    order = np.random.default_rng(seed).permutation(speakers).tolist()
    first = min(max(round(shares["train"] * len(order)), 1), len(order) - 2)
    second = min(max(round((shares["train"] + shares["validation"]) * len(order)), first + 1), len(order) - 1)
    names = [SPLITS[(i >= first) + (i >= second)] for i in range(len(order))]
    return dict(zip(order, names, strict=True))


def keep_present(clips: Sequence[Clip], remedy: str) -> list[Clip]:
    """Those whose media (and sound, where it is apart) are there; what is missing is counted and logged.

    Raises:
        M3erError: most are missing; with the first one's path and the remedy.
    """
    missing: dict[str, Path] = {}
    for clip in clips:
        for path in (clip.media, clip.sound):
            if path is not None and not path.is_file():
                missing[clip.name] = path
    report_skipped([str(path) for path in missing.values()], len(clips), "media files are missing", remedy)
    return [clip for clip in clips if clip.name not in missing]


def report_skipped(names: Sequence[str], of: int, why: str, remedy: str) -> None:
    """Log how many are left out, and which come first: a corpus with a few bad files is still one.

    Raises:
        M3erError: most of them are left out; that is no longer the corpus.
    """
    if not names:
        return
    first = ", ".join(names[:_FIRST_NAMES]) + (", …" if len(names) > _FIRST_NAMES else "")
    message = f"{len(names)} of {of} {why}: {first}"
    if len(names) > _TOO_MANY * of:
        raise M3erError(f"{message}; {remedy}")
    _log.warning("%s; they are left out", message)


def check_unique(clips: Sequence[Clip], source: Path) -> None:
    """Raises M3erError where two clips share a name."""
    name, times = Counter(clip.name for clip in clips).most_common(1)[0] if clips else ("", 0)
    if times > 1:
        raise M3erError(f"{source}: {name} stands in it {times} times; keep one")
