"""How well a run noticed what a clip of ours did to its sensors, and what was said in it.

python -m tests.clip_score READINGS.jsonl CLIP.truth.json
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.errors import M3erError
from edge.publish.json_lines import read_readings
from edge.reading import MODALITIES, Modality, Reading
from export.sample_truth import Segment, Truth
from export.sample_truth import Word as SpokenWord

_NOTICED_AFTER_S = 1.0
"""A fault may last so long before a step has to know of it."""
_SURELY_STAYS_S, _NEVER_STAYS_S = 4.0, 8.0
"""A transcript keeps words for 6 s, give or take the recogniser's delay. The last one that surely holds a word
says whether it was recognised: by then the recogniser has made up its mind."""
_STAMP_S = 0.3
"""A word may be heard so much earlier than espeak-ng says that it ends, as its last sound fades."""


@dataclass(frozen=True)
class ClipScore:
    """Shares, 0..1; NaN where the clip has nothing to count.

    Attributes:
        bad_face_noticed: of the steps at which the face is covered, black or frozen: face not live.
        bad_speech_noticed: of the steps at which speech is drowned or silent: speech not live.
        all_live: of the steps at which somebody speaks and all is good: face, speech and text live.
        words_recognised: of the audible words: in the transcripts, in their order.
    """

    bad_face_noticed: float
    bad_speech_noticed: float
    all_live: float
    words_recognised: float


def score(readings: Sequence[Reading], truth: Truth) -> ClipScore:
    """The four shares of a run on a clip."""
    return ClipScore(
        bad_face_noticed=_share(_not_live(readings, truth, "face")),
        bad_speech_noticed=_share(_not_live(readings, truth, "speech")),
        all_live=_share(
            all(reading.modalities[modality].state == "live" for modality in MODALITIES)
            for reading in readings
            if _all_good(truth, reading.t) and any(s.start_s <= reading.t <= s.end_s for s in truth.sentences)
        ),
        words_recognised=_words_recognised(readings, truth),
    )


def _not_live(readings: Sequence[Reading], truth: Truth, modality: Modality) -> Iterator[bool]:
    """For each step at which the modality is bad and must have been noticed: it was."""
    for segment in truth.segments:
        if getattr(segment, modality) == "good":
            continue
        moving_s = truth.transition_s if segment.face == "covered" and modality == "face" else 0.0
        first_s, end_s = segment.start_s + moving_s + _NOTICED_AFTER_S, segment.end_s - moving_s
        yield from (r.modalities[modality].state != "live" for r in readings if first_s <= r.t < end_s)


def _all_good(truth: Truth, t_s: float) -> bool:
    def holds(segment: Segment) -> bool:
        return segment.start_s <= t_s < segment.end_s and segment.face == segment.speech == "good"

    return any(holds(segment) for segment in truth.segments)


def _words_recognised(readings: Sequence[Reading], truth: Truth) -> float:
    words = [word for sentence in truth.sentences if sentence.audible for word in sentence.words]
    with_words = [reading for reading in readings if reading.transcript]

    def recognised(index: int) -> bool:
        end_s = words[index].end_s
        holding = [r for r in with_words if end_s - _STAMP_S <= r.t <= end_s + _SURELY_STAYS_S]
        return bool(holding) and index in _heard_in(holding[-1], words)

    return _share(recognised(index) for index in range(len(words)))


def _heard_in(reading: Reading, words: Sequence[SpokenWord]) -> set[int]:
    """Which of the spoken words stand in the reading's transcript, in their order."""
    near = [i for i, word in enumerate(words) if word.end_s - _STAMP_S <= reading.t <= word.end_s + _NEVER_STAYS_S]
    return {near[i] for i in _in_common([words[i].word for i in near], reading.transcript.split())}


def _in_common(spoken: Sequence[str], heard: Sequence[str]) -> list[int]:
    """Which of the spoken words belong to the longest sequence that both have, in order."""
    # longest[i][j]: how many words spoken[i:] and heard[j:] have in common
    longest = [[0] * (len(heard) + 1) for _ in range(len(spoken) + 1)]
    for i in reversed(range(len(spoken))):
        for j in reversed(range(len(heard))):
            same = longest[i + 1][j + 1] + 1 if spoken[i] == heard[j] else 0
            longest[i][j] = max(same, longest[i + 1][j], longest[i][j + 1])
    found, i, j = [], 0, 0
    while i < len(spoken) and j < len(heard):
        if spoken[i] == heard[j]:
            found.append(i)
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def _share(hits: Iterable[bool]) -> float:
    counted = list(hits)
    return sum(counted) / len(counted) if counted else float("nan")


def main(arguments: list[str] | None = None) -> int:
    """Print the four shares; 0 for the shell, 2 where a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m tests.clip_score", description=__doc__.splitlines()[0])
    parser.add_argument("readings", type=Path, metavar="READINGS.jsonl")
    parser.add_argument("truth", type=Path, metavar="TRUTH.json")
    args = parser.parse_args(arguments)
    try:
        readings = read_readings(args.readings)
        truth = Truth.model_validate_json(args.truth.read_text(encoding="utf-8"))
    except (M3erError, OSError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    for name, share in asdict(score(readings, truth)).items():
        print(f"{name.replace('_', ' '):<20}{share:7.1%}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
