"""The timeline's panel of words: each where it was first heard."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from edge.publish.spans import new_words
from edge.publish.timeline_marks import PAD_PX, TEXT_PT, px_per_s, say_empty, side_px
from edge.publish.timeline_text import Ruler
from edge.reading import Reading

_ROWS = 5
_PAUSE_S = 1.2  # what is said after it is a new sentence
_SLIP_PX = 36.0  # how far words may stand right of their moment for want of room
# Where a second is narrower than this, few words would find room, and they make no sense alone.
_WORD_BY_WORD_PX_PER_S = 15.0
_SENTENCE_PX, _SENTENCE_LETTERS = 240.0, 20


def draw_words(axes: Axes, ruler: Ruler, readings: Sequence[Reading]) -> None:
    """New words at their time, in rows; in long runs sentences, and those that find no room are left out."""
    scale = px_per_s(axes)
    start_s, end_s = axes.get_xlim()
    end_s += side_px(axes) / scale  # nothing else stands beside this panel
    heard = new_words(readings)
    if scale < _WORD_BY_WORD_PX_PER_S:
        heard = _sentences(heard)
    free_from_s = [start_s] * _ROWS
    row, shown, before_s = -1, 0, start_s
    for time_s, words in heard:
        if time_s - before_s > _PAUSE_S:
            row = -1  # a sentence begins at the top
        before_s = time_s
        # Down the rows and round again, which the eye follows; out of turn only where that row is taken.
        turns = [(row + 1 + turn) % _ROWS for turn in range(_ROWS)]
        best = min(turns, key=lambda r: max(time_s, free_from_s[r]))
        at_s = max(time_s, free_from_s[best])
        if (at_s - time_s) * scale > _SLIP_PX:
            continue
        text = ruler.fit([words], _SENTENCE_PX, TEXT_PT) or ""
        ends_s = at_s + (ruler.width_px(text, TEXT_PT) + PAD_PX) / scale
        if ends_s > end_s:
            continue
        row, shown = best, shown + 1
        free_from_s[row] = ends_s
        axes.text(
            at_s,
            row + 0.5,
            text,
            size=TEXT_PT,
            va="center",
            bbox={"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none"},
            parse_math=False,
        )
    axes.set_ylim(_ROWS, 0)
    names = ["words"] if shown == len(heard) else ["words:", f"{shown} of", f"{len(heard)}"]
    axes.set_yticks([row + _ROWS / 2 - (len(names) - 1) / 2 for row in range(len(names))], names)
    axes.tick_params(axis="y", length=0)
    if not heard:
        say_empty(axes, "no words")


def _sentences(heard: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Words that follow each other without a pause as one, at the time (s) of the first."""
    sentences: list[tuple[float, str]] = []
    before_s = float("-inf")
    for time_s, words in heard:
        if time_s - before_s > _PAUSE_S or len(sentences[-1][1]) > _SENTENCE_LETTERS:
            sentences.append((time_s, words))
        else:
            first_s, so_far = sentences[-1]
            sentences[-1] = (first_s, f"{so_far} {words}")
        before_s = time_s
    return sentences
