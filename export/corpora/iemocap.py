"""IEMOCAP: ten actors in five sessions, improvised and scripted, as the University of Southern California gives it.

The layout of ``IEMOCAP_full_release``::

    Session1..5/dialog/EmoEvaluation/Ses01F_impro01.txt    what people agreed on, for each utterance
    Session1..5/dialog/transcriptions/Ses01F_impro01.txt   what is said
    Session1..5/dialog/avi/DivX/Ses01F_impro01.avi         both actors side by side
    Session1..5/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav

``Ses01F_impro01_M000`` is session 1, the woman (F) wears the markers, the man (M) speaks. Who wears the markers is
in the left half of the picture.
"""

import logging
import re
from collections import Counter
from pathlib import Path
from typing import Literal

from edge.errors import M3erError
from export.corpora.clip import Clip, check_unique, keep_present

IEMOCAP_EMOTIONS = ("anger", "happy", "neutral", "sad")
"""The four classes of the paper."""
ASK = "IEMOCAP is licensed: ask for it at https://sail.usc.edu/iemocap/ and give its folder IEMOCAP_full_release"

_OURS = {"ang": "anger", "hap": "happy", "exc": "happy", "neu": "neutral", "sad": "sad"}
_OTHERS = {"fru", "fea", "sur", "dis", "oth", "xxx"}  # xxx: people did not agree
_RATED = re.compile(r"^\[\s*([\d.]+)\s*-\s*([\d.]+)\s*\]\s+(\S+)\s+(\S+)\s+\[")
_SAID = re.compile(r"^(Ses\S+)\s+\[[^\]]*\]:\s*(.*)$")
_UTTERANCE = re.compile(r"^Ses(\d\d)([FM])_\w+_([FM])\w+$")
_NOT_SAID = re.compile(r"\[[^\]]*\]")  # [LAUGHTER], [BREATHING]
_log = logging.getLogger(__name__)


def read_iemocap(folder: Path) -> list[Clip]:
    """The utterances of the paper's four classes, excitement among the happy; the others are counted and logged.

    The speaker is the session and who speaks, such as ``Ses01F``. There is no split. The picture comes from the
    dialogue's video and the sound from the sentence's own file; in a release without videos there is only the sound.

    Args:
        folder: ``IEMOCAP_full_release``, with any of its sessions.

    Raises:
        M3erError: a folder or file is missing or not like IEMOCAP's; most of the media are missing.
    """
    sessions = sorted(path for path in folder.glob("Session[1-5]") if path.is_dir())
    if not sessions:
        raise M3erError(f"{folder / 'Session1'}: no such folder; {ASK}")
    clips: list[Clip] = []
    dropped: Counter[str] = Counter()
    for session in sessions:
        rated = session / "dialog" / "EmoEvaluation"
        files = sorted(path for path in rated.glob("Ses*.txt") if path.is_file())
        if not files:
            raise M3erError(f"{rated}: no such folder, or no Ses*.txt in it; {ASK}")
        for file in files:
            clips += _dialogue(file, session, dropped)
    if not clips:
        raise M3erError(f"{folder}: none of its utterances has one of the emotions {', '.join(_OURS)}; {ASK}")
    _log.info("IEMOCAP: %d utterances of other emotions are left out: %s", dropped.total(), dict(dropped))
    unseen = sum(clip.sound is None for clip in clips)
    if unseen:
        _log.warning("IEMOCAP: %d of %d utterances have no video: they are heard and read only", unseen, len(clips))
    check_unique(clips, folder)
    return keep_present(clips, ASK)


def _dialogue(rated: Path, session: Path, dropped: Counter[str]) -> list[Clip]:
    said = _transcripts(session / "dialog" / "transcriptions" / rated.name)
    video = session / "dialog" / "avi" / "DivX" / f"{rated.stem}.avi"
    seen = video.is_file()
    clips = []
    for line in rated.read_text(encoding="utf-8", errors="replace").splitlines():
        match = _RATED.match(line)
        if match is None:
            continue  # what the single raters said, and the header
        begin_s, end_s, name, emotion = match.groups()
        parts = _UTTERANCE.match(name)
        if parts is None:
            raise M3erError(f"{rated}: {name!r} is not the name of an utterance, such as Ses01F_impro01_F000")
        if emotion not in _OURS:
            if emotion not in _OTHERS:
                known = ", ".join([*_OURS, *sorted(_OTHERS)])
                raise M3erError(f"{rated}: {name} has the unknown emotion {emotion!r}; known are {known}")
            dropped[emotion] += 1
            continue
        number, markers, speaker = parts.groups()
        side: Literal["left", "right"] = "left" if speaker == markers else "right"
        wav = session / "sentences" / "wav" / rated.stem / f"{name}.wav"
        clips.append(
            Clip(
                dataset="iemocap",
                name=name,
                speaker=f"Ses{number}{speaker}",
                split="",
                emotion=_OURS[emotion],
                transcript=said.get(name, ""),
                media=video if seen else wav,
                begin_s=float(begin_s) if seen else None,
                end_s=float(end_s) if seen else None,
                side=side if seen else "",
                sound=wav if seen else None,
            )
        )
    return clips


def _transcripts(path: Path) -> dict[str, str]:
    """What is said, by the utterance's name, without notes such as [LAUGHTER]."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise M3erError(f"{path}: no such file, or it cannot be read; {ASK}") from None
    matches = (_SAID.match(line.strip()) for line in text.splitlines())
    return {match[1]: " ".join(_NOT_SAID.sub(" ", match[2]).split()) for match in matches if match}
