"""A soak as a picture: what was broken when, what became of the readings meanwhile, and what it cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edge.budgets import JITTER_P99_MS, LATENCY_P99_MS
from edge.publish.colours import BLUE, GREEN
from edge.publish.spans import edges_s
from edge.publish.timeline_panels import draw_states
from edge.publish.timeline_text import Ruler
from edge.reading import Reading
from tests.soak.judge import Soak, lateness_ms, step_rate, wall_s
from tests.soak.picture_lanes import LANES, SHORTEST_S, draw_emotions, draw_faults, draw_memory, draw_milliseconds
from tests.soak.verdict import latency_ms, verdict

_WIDTH_INCH, _DPI = 10.0, 240
_STRIP_S = 180.0
"""At most; a longer soak is drawn in several strips of the same length, one below the other."""
_MARGIN_LEFT, _MARGIN_RIGHT = 0.085, 0.845  # of the width; the legends stand right of the panels
_TOP_INCH, _GAP_INCH, _FOOT_INCH = 0.62, 0.08, 0.52
_PANEL_INCHES = {
    "faults": 0.14 * sum(rows + 1.5 for rows in LANES.values()),
    "states": 0.75,
    "emotions": 0.2,
    "lateness": 0.55,
    "latency": 0.55,
    "memory": 0.95,
}
_STRIP_INCH = sum(_PANEL_INCHES.values()) + _GAP_INCH * (len(_PANEL_INCHES) - 1) + _FOOT_INCH
_STYLE = {
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#777777",
    "axes.labelsize": 8.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "hatch.linewidth": 0.9,
}


def draw_soak(result: Soak, path: Path) -> None:
    """Draw it over time, 2400 pixels wide, in strips of three minutes or so, as a PNG."""
    readings = result.readings
    # The wall clock's reading when the run's own began, which all else is drawn on.
    origin_s = float(np.median([wall_s(reading) - reading.t for reading in readings]))
    ends_s = edges_s(readings)
    strips = max(1, int(np.ceil(ends_s[-1] / _STRIP_S)))
    strip_s = ends_s[-1] / strips
    with matplotlib.style.context(["default", _STYLE]):
        height = _TOP_INCH + strips * _STRIP_INCH
        canvas = FigureCanvasAgg(Figure(figsize=(_WIDTH_INCH, height), dpi=_DPI))
        _write_titles(canvas, result)
        for strip in range(strips):
            axes = _panels(canvas.figure, _TOP_INCH + strip * _STRIP_INCH, height)
            for panel in axes.values():
                panel.set_xlim(strip * strip_s, (strip + 1) * strip_s)  # first: text is fitted to it
            _fill(axes, Ruler(canvas), result, ends_s, origin_s)
        axes["memory"].set_xlabel("time since the run began (minutes:seconds)")
        path.parent.mkdir(parents=True, exist_ok=True)
        canvas.print_png(path)


def _panels(figure: Figure, top: float, height: float) -> dict[str, Axes]:
    """One strip's, from so many inches below the picture's top downwards."""
    axes = {}
    for name, inches in _PANEL_INCHES.items():
        box = (_MARGIN_LEFT, 1 - (top + inches) / height, _MARGIN_RIGHT - _MARGIN_LEFT, inches / height)
        axes[name] = figure.add_axes(box)
        top += inches + _GAP_INCH
    return axes


def _fill(axes: dict[str, Axes], ruler: Ruler, result: Soak, ends_s: Any, origin_s: float) -> None:
    start_s, end_s = axes["faults"].get_xlim()
    readings = result.readings
    first = max(0, int(np.searchsorted(ends_s, start_s, "right")) - 1)
    last = min(len(readings), int(np.searchsorted(ends_s, end_s)))
    here, here_s = readings[first:last], np.clip(ends_s[first : last + 1], start_s, end_s)
    _rule_time(axes, start_s, end_s)
    outcomes = [
        o for o in result.outcomes if o.happened.broken_s < origin_s + end_s and o.happened.over_s > origin_s + start_s
    ]
    draw_faults(axes["faults"], ruler, outcomes, origin_s)
    draw_states(axes["states"], ruler, here_s, here)
    draw_emotions(axes["emotions"], ruler, here_s, here, _labels(readings))
    late, latency = lateness_ms(readings)[first:last], latency_ms(readings)[first:last]
    draw_milliseconds(axes["lateness"], ruler, here_s, late, "step late by", BLUE, JITTER_P99_MS)
    draw_milliseconds(axes["latency"], ruler, here_s, latency, "capture to reading", GREEN, LATENCY_P99_MS)
    draw_memory(axes["memory"], ruler, result, result.wall_ahead_s - origin_s)
    for name in ("lateness", "latency", "memory"):
        for outcome in outcomes:
            broken_s, mended_s = outcome.happened.broken_s - origin_s, outcome.happened.mended_s - origin_s
            axes[name].axvspan(broken_s, max(mended_s, broken_s + SHORTEST_S), color="#FBE8DD", linewidth=0, zorder=0)
    for panel in axes.values():
        panel.set_xlim(start_s, end_s)
        panel.yaxis.set_label_coords(-0.062, 0.5)


def _rule_time(axes: dict[str, Axes], start_s: float, end_s: float) -> None:
    """Ticks every ten seconds, named at the bottom of the strip."""
    ticks_s = np.arange(np.ceil(start_s / 10) * 10, end_s + 0.01, 10)
    for name, panel in axes.items():
        panel.set_xticks(ticks_s, [f"{int(s) // 60}:{int(s) % 60:02}" for s in ticks_s])
        panel.tick_params(axis="x", labelbottom=name == "memory", length=3 if name == "memory" else 0)
        if name in ("faults", "states", "emotions"):
            panel.spines[:].set_visible(False)
        else:
            panel.grid(axis="x", color="#E6E6E6", linewidth=0.6)
            panel.set_axisbelow(True)


def _write_titles(canvas: FigureCanvasAgg, result: Soak) -> None:
    """How long, how many faults, how many steps; and under it whether the goals were reached."""
    readings, rows = result.readings, verdict(result)
    minutes, seconds = divmod(round(readings[-1].t), 60)
    title = f"Soak of {minutes} min {seconds} s: {len(result.happened)} faults, {len(readings)} readings, "
    title += f"{100 * step_rate(readings):.2f} % of the steps due"
    missed = [f"{row.what} {row.measured}, asked {row.asked}" for row in rows if not row.good]
    said = f"MISSED: {'; '.join(missed)}" if missed else f"all {len(rows)} goals reached"
    worst = [
        f"{what} after {max(known):.1f} s at most"
        for what, values in (
            ("noticed", [outcome.detected_s for outcome in result.outcomes if outcome.happened.noticed]),
            ("back", [outcome.recovered_s for outcome in result.outcomes]),
        )
        if (known := [value for value in values if value is not None])
    ]
    ruler, figure = Ruler(canvas), canvas.figure
    for text, size_pt, weight, down_inch, colour in (
        (title, 12.0, "bold", 0.22, "#111111"),
        ("; ".join([*worst, said]), 8.5, "normal", 0.42, "#555555"),
    ):
        fitted = ruler.fit([text], 0.98 * figure.bbox.width, size_pt, bold=weight == "bold") or ""
        up = 1 - down_inch / figure.get_figheight()
        figure.text(0.01, up, fitted, size=size_pt, weight=weight, color=colour, parse_math=False)


def _labels(readings: Sequence[Reading]) -> list[str]:
    """The emotions that were ever named, in the order of the bundle's labels."""
    named = {reading.emotion for reading in readings}
    return [label for label in dict.fromkeys(name for r in readings for name in r.probabilities) if label in named]
