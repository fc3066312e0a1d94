"""A user's own or licensed corpus of clips, told by what lies in its folder."""

from pathlib import Path

from export.corpora.clip import Clip
from export.corpora.csv_folder import read_csv_folder
from export.corpora.emotions import EMOTIONS
from export.corpora.iemocap import IEMOCAP_EMOTIONS, read_iemocap
from export.corpora.meld import read_meld


def read_owned(folder: Path) -> tuple[list[Clip], tuple[str, ...]] | None:
    """The corpus's clips and its emotions; None if the folder is none of those known.

    ``clips.csv``: a user's own; ``Session1``: IEMOCAP as released; ``…sent_emo.csv``: MELD as released.
    """
    if (folder / "clips.csv").exists():
        return read_csv_folder(folder, EMOTIONS), EMOTIONS
    if (folder / "Session1").exists():
        return read_iemocap(folder), IEMOCAP_EMOTIONS
    if any(folder.glob("*sent_emo*.csv")) or any(folder.glob("*/*sent_emo*.csv")):
        return read_meld(folder), EMOTIONS
    return None
