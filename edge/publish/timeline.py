"""A whole run as one picture: what was felt, from what, how sure, and what was said."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import M3erError
from edge.publish.spans import Span, edges_s, readings_per_mean
from edge.reading import Reading

_WIDTH_PX, _DPI = 1600, 160
_MARGIN_LEFT, _MARGIN_RIGHT = 0.075, 0.855  # of the width; the legends stand right of the panels
_TOP_INCH, _BOTTOM_INCH, _GAP_INCH = 0.62, 0.48, 0.1
_PANEL_INCHES = {
    "truth": 0.42,
    "winners": 0.27,
    "probabilities": 1.5,
    "states": 1.0,
    "correlations": 1.15,
    "words": 0.87,
    "latency": 0.7,
}
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#777777",
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "hatch.linewidth": 0.9,
}


@dataclass(frozen=True)
class TruthSpan:
    """What the recorded clip is known to do from ``start_s`` to ``end_s``, on the readings' clock."""

    start_s: float
    end_s: float
    label: str


def draw_timeline(
    readings: Sequence[Reading], path: Path, *, title: str, truth: Sequence[TruthSpan] | None = None
) -> None:
    """Draw the readings of one run over time, 1600 pixels wide, as a PNG; an older one is replaced whole.

    Args:
        readings: in order of time.
        path: where to write; its folder is made if need be.
        truth: what the clip does, written along the top and shaded through all panels.

    Raises:
        M3erError: there is no reading, they are not in order of time, or the file cannot be written.
    """
    if not readings:
        raise M3erError(f"nothing to draw in {path}: the run gave no reading; run it for longer than one step")
    # Its first use by a user is no news: the log's level would let it say so.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)
    # matplotlib takes most of a second to import, and most runs draw nothing.
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.style.context(["default", _STYLE]):
        panels = {name: inches for name, inches in _PANEL_INCHES.items() if truth or name != "truth"}
        height = _TOP_INCH + sum(panels.values()) + _GAP_INCH * (len(panels) - 1) + _BOTTOM_INCH
        figure = Figure(figsize=(_WIDTH_PX / _DPI, height), dpi=_DPI)
        canvas = FigureCanvasAgg(figure)
        axes: dict[str, Any] = {}
        top = height - _TOP_INCH
        for name, inches in panels.items():
            box = (_MARGIN_LEFT, (top - inches) / height, _MARGIN_RIGHT - _MARGIN_LEFT, inches / height)
            axes[name] = figure.add_axes(box)
            top -= inches + _GAP_INCH
        _fill(canvas, axes, readings, truth or ())
        _write_titles(canvas, title, readings)
        _save(canvas, path)


def _fill(canvas: Any, axes: dict[str, Any], readings: Sequence[Reading], truth: Sequence[TruthSpan]) -> None:
    from edge.publish import timeline_panels as panels
    from edge.publish.timeline_text import Ruler
    from edge.publish.timeline_words import draw_words

    times_s = edges_s(readings)
    ruler = Ruler(canvas)
    for name, panel in axes.items():
        panel.set_xlim(times_s[0], times_s[-1])  # first: text is fitted to it
        panel.tick_params(axis="x", labelbottom=name == "latency", length=3 if name == "latency" else 0)
        if name in ("truth", "winners", "states", "words"):
            panel.spines[:].set_visible(False)
        if name in ("correlations", "words", "latency"):
            panel.grid(axis="x", color="#E6E6E6", linewidth=0.7)
            panel.set_axisbelow(True)
    panels.draw_winners(axes["winners"], ruler, times_s, readings)
    panels.draw_probabilities(axes["probabilities"], ruler, times_s, readings)
    panels.draw_states(axes["states"], ruler, times_s, readings)
    panels.draw_correlations(axes["correlations"], ruler, times_s, readings)
    draw_words(axes["words"], ruler, readings)
    panels.draw_latency(axes["latency"], ruler, times_s, readings)
    for panel in axes.values():
        panel.yaxis.set_label_coords(-0.058, 0.5)
    if truth:
        panels.draw_truth(list(axes.values()), ruler, [Span(span.start_s, span.end_s, span.label) for span in truth])


def _write_titles(canvas: Any, title: str, readings: Sequence[Reading]) -> None:
    """The title, and under it which bundle made how many readings."""
    from edge.publish.timeline_text import Ruler

    ruler = Ruler(canvas)
    room_px = _WIDTH_PX * (1 - 0.02)
    bundles = ", ".join(dict.fromkeys(_short(reading.bundle) for reading in readings))
    counted = f"{len(readings)} reading{'s' if len(readings) > 1 else ''}"
    per_mean = readings_per_mean(len(readings))
    means = f"; curves are means of {per_mean} readings" if per_mean > 1 else ""
    height_px = canvas.figure.bbox.height
    for text, size_pt, bold, down_px, colour in (
        (title, 12.0, True, 36, "#111111"),
        (f"{counted} by {bundles}{means}", 8.0, False, 66, "#666666"),
    ):
        canvas.figure.text(
            0.01,
            1 - down_px / height_px,
            ruler.fit([text], room_px, size_pt, bold=bold) or "",
            size=size_pt,
            weight="bold" if bold else "normal",
            color=colour,
            parse_math=False,
        )


def _short(bundle: str) -> str:
    """``name@sha256:`` and the first digits: enough to tell bundles apart by eye."""
    name, _, digest = bundle.partition("@sha256:")
    return f"{name}@sha256:{digest[:12]}" if digest else name


def _save(canvas: Any, path: Path) -> None:
    """Write beside ``path`` and then rename, so that nobody ever sees half a picture."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                canvas.print_png(file)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise M3erError(
            f"cannot write the timeline to {path}: {error.strerror or error}; "
            "check the folder's permissions and free space, or name another file"
        ) from error
