"""Read a corpus's CSV, with an error that names the file that is missing or unlike what was expected."""

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

from edge.errors import M3erError


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """All rows of a gzipped CSV. Raises M3erError if it is missing, unreadable or lacks one of `columns`."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise M3erError(f"{path}: no such file; --data must be the folder that holds it") from None
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise M3erError(f"{path}: cannot be read as gzipped CSV ({error})") from None
    if not rows:
        raise M3erError(f"{path}: holds no rows")
    missing = [column for column in columns if column not in rows[0]]
    if missing:
        raise M3erError(f"{path}: lacks the column(s) {', '.join(missing)}")
    return rows
