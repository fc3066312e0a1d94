"""The panels of the timeline picture; each draws on one matplotlib axes whose x is seconds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from edge.publish.colours import BLUE, GREEN, VERMILION, emotion_colours, ink_on
from edge.publish.spans import Span, averaged, merged
from edge.publish.timeline_marks import (
    PAD_PX,
    TEXT_PT,
    Floats,
    bars,
    held,
    held_s,
    label,
    legend,
    px_per_s,
    say_empty,
    seams,
)
from edge.publish.timeline_text import Ruler
from edge.reading import MODALITIES, PAIRS, UNKNOWN, Reading, State, pair_name

_UNKNOWN_FACE, _UNKNOWN_HATCH, _UNKNOWN_INK = "#E4E4E4", "////", "#B0B0B0"
# Told apart by lightness and hatching too, and apart from the emotions' colours.
_STATE_FACE: dict[State, str] = {"live": "#33566B", "proxy": "#C9DCE6", "absent": "#F4F4F4"}
_STATE_HATCH: dict[State, str] = {"live": "", "proxy": "////", "absent": "...."}
_STATE_HATCH_INK: dict[State, str] = {"live": "#33566B", "proxy": "#9DBBCB", "absent": "#CFCFCF"}
_STATE_INK: dict[State, str] = {"live": "#FFFFFF", "proxy": "#12303F", "absent": "#555555"}
_PAIR_LOOK = dict(zip(PAIRS, ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^")), strict=True))
_MARKS = 12  # to a line, so that lines differ by more than their colour
_LATENCY_INKS = ("#222222", "#9A9A9A")
_NARROWEST_TRUTH_PX = 24.0  # marks of narrower ones would be all that one sees
_NARROWEST_STEP_PX = 4.0  # likewise for the lines between bands


def draw_truth(panels: Sequence[Axes], ruler: Ruler, truth: Sequence[Span[str]]) -> None:
    """What the clip does: written and shaded in the first panel, its beginnings and ends marked in all."""
    top = panels[0]
    first_s, last_s = top.get_xlim()
    _name_strip(top, "the clip")
    for span in truth:
        start_s, end_s = max(span.start_s, first_s), min(span.end_s, last_s)
        width_px = (end_s - start_s) * px_per_s(top)
        if width_px <= 0:
            continue
        top.axvspan(start_s, end_s, color="#ECECEC", linewidth=0)
        if width_px < _NARROWEST_TRUTH_PX:
            continue
        text = ruler.wrap(span.value, width_px - 3 * PAD_PX, TEXT_PT)
        if text:
            top.text((start_s + end_s) / 2, 0.5, text, size=TEXT_PT, ha="center", va="center", parse_math=False)
        for panel in panels:
            for edge_s in (start_s, end_s):
                if first_s < edge_s < last_s:
                    panel.axvline(edge_s, color="#222222", linewidth=0.8, linestyle=(0, (2, 2)))


def draw_winners(axes: Axes, ruler: Ruler, edges_s: Floats, readings: Sequence[Reading]) -> None:
    """A strip with the emotion of every stretch by name; 'unknown' in hatched grey."""
    spans = merged(edges_s, [reading.emotion for reading in readings])
    names = dict.fromkeys(span.value for span in spans)
    colours = emotion_colours(_labels(readings))
    for name in names:
        here = [span for span in spans if span.value == name]
        face = colours.get(name, _UNKNOWN_FACE)
        hatch = _UNKNOWN_HATCH if name == UNKNOWN else ""
        bars(axes, here, 0.0, 1.0, face, hatch, _UNKNOWN_INK)
        for span in here:
            label(axes, ruler, span, 0.5, [name], ink_on(face), ground=face, bold=True)
    seams(axes, spans, 0.0, 1.0)
    _name_strip(axes, "emotion")
    if UNKNOWN in names:
        sign = Patch(facecolor=_UNKNOWN_FACE, hatch=_UNKNOWN_HATCH, edgecolor=_UNKNOWN_INK, linewidth=0)
        legend(axes, ruler, [sign], [UNKNOWN])


def draw_probabilities(axes: Axes, ruler: Ruler, edges_s: Floats, readings: Sequence[Reading]) -> None:
    """The probability of each emotion, stacked."""
    labels = _labels(readings)
    colours = emotion_colours(labels)
    bands = []
    floor: Floats | None = None
    for name in labels:
        shares = [reading.probabilities.get(name, 0.0) for reading in readings]
        steps_s, means = averaged(edges_s, np.array(shares))
        floor = np.zeros(len(means)) if floor is None else floor
        top = floor + np.nan_to_num(means)
        at_s = held_s(steps_s)
        bands.append(axes.fill_between(at_s, held(floor), held(top), color=colours[name], linewidth=0))
        if px_per_s(axes) * (steps_s[1] - steps_s[0]) >= _NARROWEST_STEP_PX:
            axes.plot(at_s, held(top), color="white", linewidth=0.6)
        floor = top
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("probability")
    if bands:
        legend(axes, ruler, bands[::-1], labels[::-1])  # top to bottom as they are stacked
    else:
        say_empty(axes, "no probabilities")


def draw_states(axes: Axes, ruler: Ruler, edges_s: Floats, readings: Sequence[Reading]) -> None:
    """A lane per modality: live, proxy or absent, with the reason."""
    for row, modality in enumerate(MODALITIES):
        parts = [reading.modalities.get(modality) for reading in readings]
        spans = merged(edges_s, [(part.state, part.reason or "") if part else None for part in parts])
        for state, face in _STATE_FACE.items():
            here = [span for span in spans if span.value is not None and span.value[0] == state]
            bars(axes, here, row + 0.1, 0.8, face, _STATE_HATCH[state], _STATE_HATCH_INK[state])
        for span in spans:
            if span.value is not None:
                state, reason = span.value
                wordings = [f"{state}: {reason}", reason, state] if reason else [state]
                label(axes, ruler, span, row + 0.5, wordings, _STATE_INK[state], ground=_STATE_FACE[state])
        seams(axes, spans, row + 0.1, row + 0.9)
    axes.set_ylim(len(MODALITIES), 0)
    axes.set_yticks([row + 0.5 for row in range(len(MODALITIES))], MODALITIES)
    axes.tick_params(axis="y", length=0)
    signs = [
        Patch(facecolor=face, hatch=_STATE_HATCH[state], edgecolor=_STATE_HATCH_INK[state], linewidth=0)
        for state, face in _STATE_FACE.items()
    ]
    legend(axes, ruler, signs, list(_STATE_FACE))


def draw_correlations(axes: Axes, ruler: Ruler, edges_s: Floats, readings: Sequence[Reading]) -> None:
    """The correlation of each pair, with gaps where it is missing, and its threshold dashed."""
    signs, names = [], []
    shown = [value for r in readings for values in (r.correlation, r.threshold) for value in values.values()]
    lowest = min(shown, default=0.0)
    for number, (pair, (colour, mark)) in enumerate(_PAIR_LOOK.items()):
        name = pair_name(*pair)
        steps_s, values = averaged(edges_s, _series([reading.correlation for reading in readings], name))
        (line,) = axes.plot(held_s(steps_s), held(values), color=colour, linewidth=1.5)
        marks_apart = max(1, len(values) // _MARKS)
        some = slice(number * marks_apart // len(PAIRS), None, marks_apart)  # lines take turns with their marks
        middles_s = (steps_s[:-1] + steps_s[1:]) / 2
        axes.plot(
            middles_s[some],
            values[some],
            mark,
            color=colour,
            markersize=4.5,
            markeredgecolor="white",
            markeredgewidth=0.5,
        )
        limit = next((r.threshold[name] for r in readings if name in r.threshold), None)
        if limit is not None:
            dashes = (number * 3, (4, 5))  # shifted, since thresholds often lie on each other
            axes.axhline(limit, color=colour, linewidth=1.1, linestyle=dashes)
        line.set(marker=mark, markevery=[], markersize=5)  # for the legend
        signs.append(line)
        names.append(name)
    axes.axhline(0, color="#999999", linewidth=0.6)
    axes.set_ylim(min(-0.35, lowest - 0.1), 1.0)
    axes.set_yticks([-1.0, -0.5, 0.0, 0.5, 1.0])
    axes.set_ylim(min(-0.35, lowest - 0.1), 1.0)  # again: ticks outside would widen it
    axes.set_ylabel("correlation")
    if not any(reading.correlation for reading in readings):
        say_empty(axes, "no two modalities to compare")
    (dashed,) = axes.plot([], [], color="#555555", linewidth=1.1, linestyle=(0, (4, 3)))
    legend(axes, ruler, [*signs, dashed], [*names, "threshold"])


def draw_latency(axes: Axes, ruler: Ruler, edges_s: Floats, readings: Sequence[Reading]) -> None:
    """The longest latencies of each step, in milliseconds."""
    latencies = [reading.latency_ms for reading in readings]
    series = {name: _series(latencies, name) for name in dict.fromkeys(n for ms in latencies for n in ms)}
    longest = sorted(series, key=lambda name: -float(np.nanmean(series[name])))[: len(_LATENCY_INKS)]
    lines = []
    for name, ink in zip(longest, _LATENCY_INKS, strict=False):
        steps_s, means_ms = averaged(edges_s, series[name])
        lines += axes.plot(held_s(steps_s), held(means_ms), color=ink, linewidth=1.1)
    axes.locator_params(axis="y", nbins=3)
    axes.set_ylim(0, axes.get_ylim()[1])
    axes.set_ylabel("latency (ms)")
    axes.set_xlabel("time since the run began (s)")
    if lines:
        legend(axes, ruler, lines, [name.replace("_", " ") for name in longest])
    else:
        axes.set_yticks([])
        say_empty(axes, "not measured")


def _labels(readings: Sequence[Reading]) -> list[str]:
    """Every emotion that has a probability in some reading, or won one, in the order of their coming."""
    labels = dict.fromkeys(name for reading in readings for name in reading.probabilities)
    labels.update(dict.fromkeys(reading.emotion for reading in readings))
    labels.pop(UNKNOWN, None)
    return list(labels)


def _series(records: Sequence[Mapping[str, float]], name: str) -> Floats:
    """One named value of every reading, NaN where it is missing: (readings,)."""
    return np.array([record.get(name, np.nan) for record in records], dtype=np.float64)


def _name_strip(axes: Axes, name: str) -> None:
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], [name])
    axes.tick_params(axis="y", length=0)
