"""The panels of a soak's picture; each draws on one matplotlib axes whose x is seconds since the run began."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from edge.publish.colours import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, emotion_colours, ink_on
from edge.publish.spans import merged
from edge.publish.timeline_marks import PAD_PX, TEXT_PT, bars, held, held_s, label, legend, px_per_s, seams
from edge.publish.timeline_text import Ruler
from edge.reading import UNKNOWN, Modality, Reading
from tests.soak.judge import MAIN_PROCESS, Outcome, Soak

LANES = {"camera": 3, "microphone": 3, "words": 2}
"""The sensors, and how many rows of names each lane has above its spans."""
_HIT: dict[str, Modality] = {"camera": "face", "microphone": "speech", "words": "text"}
_BROKEN_FACE, _BACK_FACE = VERMILION, "#F6C9AE"
_NAME_PT = 7.5
_SLIP_PX = 60.0  # how far a name may stand right of its fault for want of room
SHORTEST_S = 0.5
"""A span below this could not be seen."""
_UNKNOWN_FACE, _UNKNOWN_HATCH, _UNKNOWN_INK = "#E4E4E4", "////", "#B0B0B0"
_PROCESS_INK = {MAIN_PROCESS: BLACK, "m3er-camera": BLUE, "m3er-microphone": ORANGE, "m3er-words": GREEN}
_OTHER_INKS = (PURPLE, SKY, VERMILION)
_ROOM = 1.4
"""The top of a panel over its budget: what is higher is marked at the top, with its value."""

Floats = NDArray[np.float64]
_NOTICED: dict[str, Any] = {"marker": "v", "markersize": 5.5, "color": BLACK}
_BACK: dict[str, Any] = {"marker": "o", "markersize": 5.5, "color": GREEN}
_NEVER: dict[str, Any] = {"marker": "X", "markersize": 7.0, "color": PURPLE}
_ON_SPANS: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.7, "linestyle": "none", "zorder": 5}


def draw_faults(axes: Axes, ruler: Ruler, outcomes: Sequence[Outcome], origin_s: float) -> None:
    """A lane per sensor: from broken to mended to back, where it was noticed, and what it was.

    Args:
        origin_s: what the outcomes' clock said at 0.
    """
    ceiling, ticks = 0.0, []
    for lane, rows in LANES.items():
        bottom = ceiling + rows + 1.2
        ticks.append(bottom - 0.5)
        hits = [outcome for outcome in outcomes if _HIT[lane] in outcome.happened.hits]
        axes.axhspan(bottom - 1, bottom, color="#F1F1F1", linewidth=0, zorder=0)
        for outcome in hits:
            _draw_span(axes, outcome, bottom, origin_s)
        _write_names(axes, ruler, lane, hits, ceiling + 0.1, origin_s)
        ceiling = bottom + 0.3
    axes.set_ylim(ceiling, 0)
    axes.set_yticks(ticks, list(LANES))
    axes.tick_params(axis="y", length=0)
    spans = [Patch(color=_BROKEN_FACE, linewidth=0), Patch(color=_BACK_FACE, linewidth=0)]
    marks = [Line2D([], [], **look, **_ON_SPANS) for look in (_NOTICED, _BACK, _NEVER)]
    legend(axes, ruler, [*spans, *marks], ["broken", "mended, not back", "noticed", "back", "never"])


def _draw_span(axes: Axes, outcome: Outcome, bottom: float, origin_s: float) -> None:
    fault, top, middle = outcome.happened, bottom - 1, bottom - 0.5
    broken_s, mended_s, over_s = (at_s - origin_s for at_s in (fault.broken_s, fault.mended_s, fault.over_s))
    broken_until_s = max(mended_s, broken_s + SHORTEST_S)
    back_s = over_s if outcome.recovered_s is None else mended_s + outcome.recovered_s
    axes.broken_barh([(broken_until_s, max(0.0, back_s - broken_until_s))], (top, 1), facecolor=_BACK_FACE)
    axes.broken_barh([(broken_s, broken_until_s - broken_s)], (top, 1), facecolor=_BROKEN_FACE)
    if outcome.detected_s is not None:
        axes.plot(broken_s + outcome.detected_s, middle, **_NOTICED, **_ON_SPANS)
    elif fault.noticed:
        axes.plot(mended_s, middle, **_NEVER, **_ON_SPANS)
    axes.plot(back_s, middle, **(_NEVER if outcome.recovered_s is None else _BACK), **_ON_SPANS)


def _write_names(axes: Axes, ruler: Ruler, lane: str, outcomes: Sequence[Outcome], top: float, origin_s: float) -> None:
    """Above the spans, in rows, each from where it broke; cut short where the next one of its row begins."""
    start_s, end_s = axes.get_xlim()
    scale, rows = px_per_s(axes), LANES[lane]
    free_s = [start_s] * rows
    written: list[list[tuple[float, str]]] = [[] for _ in range(rows)]
    for outcome in outcomes:
        broken_s = outcome.happened.broken_s - origin_s
        if broken_s < start_s:  # its name stands in the strip before
            continue
        name = outcome.happened.name.removeprefix(lane).lstrip(": ")
        length_s = (ruler.width_px(name, _NAME_PT) + 2 * PAD_PX) / scale
        wish_s = max(start_s, min(broken_s, end_s - length_s))
        row = min(range(rows), key=lambda r: (max(wish_s, free_s[r]), -r))  # the lowest that is free
        at_s = min(max(wish_s, free_s[row]), wish_s + _SLIP_PX / scale)
        written[row].append((at_s, name))
        free_s[row] = at_s + length_s
        axes.vlines(broken_s, top + row + 0.5, top + rows + 0.1, color="#777777", linewidth=0.6)
    for row, names in enumerate(written):
        for (at_s, name), (next_s, _) in pairwise([*names, (end_s, "")]):
            text = ruler.fit([name], (next_s - at_s) * scale - PAD_PX, _NAME_PT) or ""
            ground = {"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none"}
            axes.text(at_s, top + row + 0.5, text, size=_NAME_PT, va="center", bbox=ground, parse_math=False)


def draw_emotions(axes: Axes, ruler: Ruler, edges_s: Floats, readings: Sequence[Reading], labels: list[str]) -> None:
    """A strip with the emotion of every stretch; 'unknown' in hatched grey.

    Args:
        labels: all that are named in the soak.
    """
    spans = merged(edges_s, [reading.emotion for reading in readings])
    colours = emotion_colours(labels) | {UNKNOWN: _UNKNOWN_FACE}
    for name, face in colours.items():
        here = [span for span in spans if span.value == name]
        bars(axes, here, 0.0, 1.0, face, _UNKNOWN_HATCH if name == UNKNOWN else "", _UNKNOWN_INK)
        for span in here:
            label(axes, ruler, span, 0.5, [name], ink_on(face), ground=face)
    seams(axes, spans, 0.0, 1.0)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], ["emotion"])
    axes.tick_params(axis="y", length=0)
    signs = [
        Patch(facecolor=face, hatch=_UNKNOWN_HATCH * (name == UNKNOWN), edgecolor=_UNKNOWN_INK, linewidth=0)
        for name, face in colours.items()
    ]
    axes.legend(
        signs,
        list(colours),
        loc="center left",
        bbox_to_anchor=(1.005, 0.5),
        fontsize=TEXT_PT - 1,
        frameon=False,
        ncols=2,
        handlelength=1.0,
        handletextpad=0.4,
        columnspacing=0.8,
        labelspacing=0.2,
        borderaxespad=0.2,
    )


def draw_milliseconds(
    axes: Axes, ruler: Ruler, edges_s: Floats, values_ms: Floats, name: str, colour: str, budget_ms: float
) -> None:
    """One value of every reading against its budget; what would not fit is marked at the top."""
    top_ms = _ROOM * budget_ms
    (line,) = axes.plot(held_s(edges_s), held(values_ms), color=colour, linewidth=1.2)
    (dashed,) = axes.plot(axes.get_xlim(), [budget_ms] * 2, color=VERMILION, linewidth=1.1, linestyle=(0, (4, 3)))
    high = np.flatnonzero(values_ms > top_ms)
    middles_s = (edges_s[:-1] + edges_s[1:]) / 2
    axes.plot(middles_s[high], np.full(len(high), 0.95 * top_ms), "^", color=colour, markersize=4, clip_on=False)
    if len(high):
        worst = int(high[np.argmax(values_ms[high])])
        text = f" {values_ms[worst]:.0f} ms"
        axes.text(middles_s[worst], 0.9 * top_ms, text, size=TEXT_PT - 1, color="#222222", va="center", zorder=6)
    axes.set_ylim(0, top_ms)
    axes.locator_params(axis="y", nbins=4)
    axes.set_ylabel("ms")
    legend(axes, ruler, [line, dashed], [name, f"99 % < {budget_ms:.0f} ms"])


def draw_memory(axes: Axes, ruler: Ruler, result: Soak, ahead_s: float) -> None:
    """What each process holds; a line ends with its process, and a ring is where the next one of the name began.

    Args:
        ahead_s: the picture's clock less that of the usage.
    """
    signs, names, other_inks = [], [], iter(_OTHER_INKS * 9)
    for name, usage in sorted(result.usage.items(), key=lambda item: -max(item[1].memory_mb)):
        ink = _PROCESS_INK.get(name) or next(other_inks)
        times_s, memory_mb, pids = np.array(usage.times_s) + ahead_s, np.array(usage.memory_mb), np.array(usage.pids)
        for number, pid in enumerate(dict.fromkeys(usage.pids)):
            its = (pids == pid) & (memory_mb > 0)  # one that was killed, and not yet buried, holds nothing
            if not its.any():
                continue
            axes.plot(times_s[its], memory_mb[its], color=ink, linewidth=1.3)
            if number:
                axes.plot(times_s[its][0], memory_mb[its][0], "o", color=ink, markerfacecolor="white", markersize=3.5)
        signs.append(Line2D([], [], color=ink, linewidth=1.3))
        names.append(name)
        if name == MAIN_PROCESS and (growth := result.growth_mb_per_h) is not None:
            signs.append(Line2D([], [], linestyle="none"))
            names.append(f"{growth:+.2f} MB an hour")
    signs.append(Line2D([], [], linestyle="none", marker="o", color="#555555", markerfacecolor="white", markersize=3.5))
    names.append("restarted")
    highest_mb = max(max(usage.memory_mb) for usage in result.usage.values())
    axes.set_ylim(0, 1.1 * highest_mb)
    axes.locator_params(axis="y", nbins=4)
    axes.set_ylabel("resident (MB)")
    legend(axes, ruler, signs, names)
