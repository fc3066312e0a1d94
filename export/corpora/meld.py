"""MELD: utterances of a sitcom, each a little video, as its owners publish it (GPL-3).

The layout of ``MELD.Raw``, its three inner archives unpacked beside the tables or in ``train``, ``dev``, ``test``::

    train_sent_emo.csv   train_splits/dia0_utt0.mp4
    dev_sent_emo.csv     dev_splits_complete/dia0_utt0.mp4
    test_sent_emo.csv    output_repeated_splits_test/dia0_utt0.mp4

The owner's split is by dialogue. **The six main characters speak in all three parts**: a score on its test part says
how well unseen dialogues of known people are understood, not unseen people. No other split is offered, because every
published figure is on this one.
"""

import csv
import io
from pathlib import Path

from edge.errors import M3erError
from export.corpora.clip import Clip, check_unique, keep_present

ASK = "MELD is public (GPL-3): fetch MELD.Raw at https://affective-meld.github.io/ and unpack its train, dev and test"

_PARTS = {
    "train": ("train", "train_splits"),
    "dev": ("validation", "dev_splits_complete"),
    "test": ("test", "output_repeated_splits_test"),
}
_OURS = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprise": "surprise",
}
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
# Characters of Windows' code page that were taken for Latin-1's control characters, such as its apostrophe \x92.
_MISREAD = {code: char for code in range(0x80, 0xA0) if (char := bytes([code]).decode("cp1252", "ignore"))}


def read_meld(folder: Path) -> list[Clip]:
    """All utterances with the owner's split, ``dev`` as ``validation``; each is a whole file.

    A few videos are missing in what the owners publish, or in a copy: they are counted and logged.

    Args:
        folder: ``MELD.Raw``.

    Raises:
        M3erError: a table or a folder is missing, a table is not like MELD's, or most of the videos are missing.
    """
    clips: list[Clip] = []
    for part, (split, videos) in _PARTS.items():
        table = _find(folder, part, f"{part}_sent_emo.csv")
        media = _find(folder, part, videos)
        clips += _read_part(table, media, split)
    check_unique(clips, folder)
    return keep_present(clips, ASK)


def _find(folder: Path, part: str, name: str) -> Path:
    for path in (folder / name, folder / part / name):
        if path.exists():
            return path
    raise M3erError(f"{folder / name}: no such file or folder; {ASK}")


def _read_part(table: Path, media: Path, split: str) -> list[Clip]:
    rows = csv.DictReader(io.StringIO(_text(table), newline=""))
    missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise M3erError(f"{table}: lacks the column(s) {', '.join(missing)}; {ASK}")
    clips = []
    for row in rows:
        if any(not row[column] for column in _COLUMNS):
            raise M3erError(f"{table}, line {rows.line_num}: the row is not complete; fetch the table again")
        emotion = row["Emotion"].strip().lower()
        if emotion not in _OURS:
            raise M3erError(
                f"{table}, line {rows.line_num}: unknown emotion {row['Emotion']!r}; known are {', '.join(_OURS)}"
            )
        stem = f"dia{row['Dialogue_ID'].strip()}_utt{row['Utterance_ID'].strip()}"
        clips.append(
            Clip(
                dataset="meld",
                name=f"{split}/{stem}",
                speaker=row["Speaker"].strip(),
                split=split,
                emotion=_OURS[emotion],
                transcript=row["Utterance"].strip(),
                media=media / f"{stem}.mp4",
            )
        )
    if not clips:
        raise M3erError(f"{table}: holds no rows; {ASK}")
    return clips


def _text(path: Path) -> str:
    """The table as text, its Windows characters put right."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise M3erError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return text.translate(_MISREAD)
