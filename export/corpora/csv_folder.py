"""Your own recordings: media files in a folder, and a table that says what is in them.

``clips.csv``, in UTF-8, has a row for each clip and these columns:

    path         of a video or sound file, from this folder
    emotion      one of the labels asked for
    speaker      any name; nobody is in two splits
    transcript   what is said; may be empty
    split        optional: train, validation or test, for every clip or for none
    begin_s      optional: the clip is a part of the file, from this second
    end_s        optional: to this one
"""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.errors import M3erError
from export.corpora.clip import SPLITS, Clip, check_unique, keep_present

TABLE = "clips.csv"
_COLUMNS = ("path", "emotion", "speaker", "transcript")


def read_csv_folder(folder: Path, labels: Sequence[str]) -> list[Clip]:
    """The clips of ``clips.csv``; files that are missing are counted and logged.

    Args:
        labels: the emotions that may occur.

    Raises:
        M3erError: the table is missing or malformed, with the line; or most of the files are missing.
    """
    table = folder / TABLE
    clips = [_clip(folder, row, labels, f"{table}, line {line}") for line, row in _rows(table)]
    if not clips:
        raise M3erError(f"{table}: holds no rows; give one a clip")
    check_unique(clips, table)
    return keep_present(clips, f"paths in {table} count from {folder}")


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with its number of the line on which it ends."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
            if missing:
                raise M3erError(f"{table}, line 1: lacks the column(s) {', '.join(missing)}")
            for row in rows:
                # A row that is too long has the rest under the key None, one that is too short has values None.
                if None in row or None in row.values():
                    raise M3erError(
                        f"{table}, line {rows.line_num}: has not as many cells as line 1 has columns; "
                        'put a transcript with commas between quotes ("…")'
                    )
                yield rows.line_num, row
    except FileNotFoundError:
        raise M3erError(f"{table}: no such file; it must say of each clip {', '.join(_COLUMNS)}") from None
    except UnicodeDecodeError:
        raise M3erError(f"{table}: is not UTF-8 text; save it as UTF-8") from None
    except csv.Error as error:
        raise M3erError(f"{table}, after line {rows.line_num}: is not CSV ({error}); is a quote left open?") from None
    except OSError as error:
        raise M3erError(f"{table}: cannot be read ({error.strerror})") from None


def _clip(folder: Path, row: dict[str, str], labels: Sequence[str], where: str) -> Clip:
    path, speaker, emotion = (row[column].strip() for column in ("path", "speaker", "emotion"))
    for column, value in (("path", path), ("speaker", speaker)):
        if not value:
            raise M3erError(f"{where}: {column} is empty")
    if emotion not in labels:
        raise M3erError(f"{where}: unknown emotion {emotion!r}; known are {', '.join(labels)}")
    split = (row.get("split") or "").strip()
    if split and split not in SPLITS:
        raise M3erError(f"{where}: unknown split {split!r}; known are {', '.join(SPLITS)}")
    begin_s, end_s = (_seconds(row.get(column) or "", f"{where}: {column}") for column in ("begin_s", "end_s"))
    if end_s is not None and end_s <= (begin_s or 0.0):
        raise M3erError(f"{where}: the clip ends at {end_s} s, not after its beginning")
    part = "" if begin_s is None and end_s is None else f"@{begin_s or 0.0:g}-{'' if end_s is None else f'{end_s:g}'}"
    return Clip(
        dataset=folder.resolve().name,
        name=path + part,
        speaker=speaker,
        split=split,
        emotion=emotion,
        transcript=row["transcript"].strip(),
        media=folder / path,
        begin_s=begin_s,
        end_s=end_s,
    )


def _seconds(text: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise M3erError(f"{where} is {text!r}, must be seconds, 0 or more")
    return seconds
