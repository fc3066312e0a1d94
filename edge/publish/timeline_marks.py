"""The marks that the timeline's panels are drawn with: bars, seams, labels and legends along the seconds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import NDArray

from edge.publish.spans import Span
from edge.publish.timeline_text import Ruler

TEXT_PT = 8.0
PAD_PX = 6.0
_NARROW_PX = 5.0  # spans below this get no seam, which would hide them, and no hatching, which takes long to draw
_LEGEND_SIGN_PX = 62.0  # the sign before a name and the air around it

Floats = NDArray[np.float64]


def px_per_s(axes: Axes) -> float:
    """Pixels of the figure to a second of the panel."""
    start_s, end_s = axes.get_xlim()
    return float(axes.bbox.width / (end_s - start_s))


def side_px(axes: Axes) -> float:
    """The room between the panel and the right end of the picture."""
    return float(axes.figure.bbox.x1 - axes.bbox.x1)


def held(values: Floats) -> Floats:
    """Each reading's value at its beginning and at its end: (readings,) to (2 * readings,)."""
    return np.repeat(values, 2)


def held_s(edges_s: Floats) -> Floats:
    """The seconds that ``held`` values stand at: (readings + 1,) edges to (2 * readings,)."""
    return np.repeat(edges_s, 2)[1:-1]


def bars(
    axes: Axes, spans: Sequence[Span[object]], bottom: float, height: float, face: str, hatch: str, ink: str
) -> None:
    """Fill spans with ``face``, hatched in ``ink``."""
    narrow_s = _NARROW_PX / px_per_s(axes)
    wide = [span for span in spans if span.end_s - span.start_s >= narrow_s]
    narrow = [span for span in spans if span.end_s - span.start_s < narrow_s]
    for some, pattern in ((wide, hatch), (narrow, "")):
        stretches = [(span.start_s, span.end_s - span.start_s) for span in some]
        axes.broken_barh(  # one artist for all of them: an hour has thousands
            stretches, (bottom, height), facecolor=face, hatch=pattern, edgecolor=ink, linewidth=0
        )


def seams(axes: Axes, spans: Sequence[Span[object]], bottom: float, top: float) -> None:
    """A white line between neighbours."""
    narrow_s = _NARROW_PX / px_per_s(axes)
    wide = [span.start_s for span in spans[1:] if span.end_s - span.start_s >= narrow_s]
    axes.vlines(wide, bottom, top, color="white", linewidth=1.5)


def label(
    axes: Axes,
    ruler: Ruler,
    span: Span[object],
    y: float,
    wordings: Sequence[str],
    ink: str,
    *,
    ground: str | None = None,
    bold: bool = False,
) -> None:
    """Write what fits of ``wordings`` (longest first) into the middle of a span, if anything does.

    Args:
        ground: colour of a patch under the text, where hatching would make it hard to read.
    """
    room_px = (span.end_s - span.start_s) * px_per_s(axes) - 2 * PAD_PX
    text = ruler.fit(wordings, room_px, TEXT_PT, bold=bold) if room_px > PAD_PX else None
    if text is None:
        return
    axes.text(
        (span.start_s + span.end_s) / 2,
        y,
        text,
        size=TEXT_PT,
        weight="bold" if bold else "normal",
        color=ink,
        ha="center",
        va="center_baseline",
        bbox={"boxstyle": "square,pad=0.15", "facecolor": ground, "edgecolor": "none"} if ground else None,
        parse_math=False,
    )


def legend(axes: Axes, ruler: Ruler, signs: Sequence[Artist], names: Sequence[str]) -> None:
    """Beside the panel, the names cut short where the picture ends."""
    room_px = side_px(axes) - _LEGEND_SIGN_PX
    box = axes.legend(
        signs,
        [ruler.fit([name], room_px, TEXT_PT) or "" for name in names],
        loc="center left",
        bbox_to_anchor=(1.005, 0.5),
        fontsize=TEXT_PT,
        frameon=False,
        handlelength=1.4,
        handleheight=1.0,
        labelspacing=0.35,
        borderaxespad=0.2,
    )
    for text in box.get_texts():
        text.set_parse_math(False)


def say_empty(axes: Axes, words: str) -> None:
    """Say in the middle of a panel why there is nothing in it."""
    axes.text(0.5, 0.5, words, size=TEXT_PT, color="#777777", ha="center", va="center", transform=axes.transAxes)
