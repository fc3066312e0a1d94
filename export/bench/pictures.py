"""The bench page's pictures, as data URIs. Told apart by hatches and dashes too, not by colour alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import NullFormatter

from edge.bench.record import NetTime
from edge.bundle import NETS
from edge.publish.colours import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from export.bench.record import Growth, LongRun, Peer, Where
from export.evaluate.canvas import new_canvas, style, svg

_VARIANTS = {
    ("litert", "int8"): (BLUE, ""),
    ("litert", "fp32"): (SKY, "//"),
    ("onnx", "int8"): (VERMILION, ""),
    ("onnx", "fp32"): (ORANGE, "//"),
}
_OPERATIONS_SHOWN = 5


def nets_picture(nets: Sequence[NetTime]) -> str:
    """A bar for each variant on one thread, on a logarithmic scale."""
    with style():
        drawn = new_canvas(3.6)
        axes = drawn.subplots()
        at = np.arange(len(NETS))
        for number, ((engine, precision), (colour, hatch)) in enumerate(_VARIANTS.items()):
            found = {n.net: n.cpu_us for n in nets if (n.engine, n.precision, n.threads) == (engine, precision, 1)}
            values = [found.get(name) or np.nan for name in NETS]
            bars = axes.barh(
                at + 0.2 * (number - 1.5), values, 0.19, color=colour, hatch=hatch, edgecolor="white", linewidth=0
            )
            axes.bar_label(bars, ["" if np.isnan(v) else f"{v:.0f}" for v in values], padding=2, fontsize=7)
            axes.barh([0], [0], color=colour, hatch=hatch, label=f"{engine} {precision}")
        _logarithmic(axes)
        axes.set_yticks(at, NETS)
        axes.invert_yaxis()
        axes.set_xlabel("CPU time of one run (µs, logarithmic)")
        axes.margins(x=0.12)
        drawn.legend(loc="outside lower center", ncols=2)
        return svg(drawn)


def peers_picture(peers: Sequence[Peer]) -> str:
    """Ours and theirs, with the ratio."""
    ours = {peer.ours: peer.ours_us for peer in peers}
    theirs = {peer.theirs: peer.theirs_us for peer in peers}
    names = [*ours, *theirs]
    values = [*ours.values(), *theirs.values()]
    first = min(ours.values())
    with style():
        drawn = new_canvas(0.9 + 0.42 * len(names))
        axes = drawn.subplots()
        bars = axes.barh(names, values, 0.6, color=[BLUE] * len(ours) + [ORANGE] * len(theirs))
        labels = [f"{v:.0f} µs" if v >= 10 else f"{v:.1f} µs" for v in values]
        labels = [f"{name}: {label}" for name, label in zip(names, labels, strict=True)]
        labels = [
            f"{label}, x {value / first:.1f}" if name in theirs else label
            for name, label, value in zip(names, labels, values, strict=True)
        ]
        _logarithmic(axes)
        axes.set_xlim(min(values) / 3, max(values) * 3)
        for bar, label in zip(bars, labels, strict=True):
            axes.text(min(values) / 2.8, bar.get_y() - 0.02, label, fontsize=7.5, va="bottom")
            bar.set_height(0.36)
        axes.set_yticks([])
        axes.set_ylim(-0.5, len(names) - 0.3)
        axes.invert_yaxis()
        axes.set_xlabel("CPU time (µs, logarithmic)")
        return svg(drawn)


def where_picture(found: Sequence[Where]) -> str:
    """Shares of each net's time, the largest kinds of operations by name."""
    total: dict[str, float] = {}
    for one in found:
        for name, share in one.shares.items():
            total[name] = total.get(name, 0.0) + share
    names = sorted(total, key=lambda name: -total[name])[:_OPERATIONS_SHOWN]
    looks = list(zip((BLUE, VERMILION, GREEN, PURPLE, ORANGE), ("", "//", "..", "xx", "\\\\"), strict=True))
    with style():
        drawn = new_canvas(1.4 + 0.3 * len(found))
        axes = drawn.subplots()
        rows = [f"{one.net} {one.precision}" for one in found]
        left = np.zeros(len(found))
        for name, (colour, hatch) in [*zip(names, looks, strict=False), ("all others", ("#B8B8B8", ""))]:
            shares = np.array(
                [
                    one.shares.get(name, 0.0)
                    if name in names
                    else sum(share for other, share in one.shares.items() if other not in names)
                    for one in found
                ]
            )
            axes.barh(
                rows, 100 * shares, 0.7, left, color=colour, hatch=hatch, edgecolor="white", linewidth=0, label=name
            )
            left += 100 * shares
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of the time (%)")
        drawn.legend(loc="outside lower center", ncols=2)
        return svg(drawn)


def growth_picture(growth: Growth) -> str:
    """Time against the quantity, from zero."""
    with style():
        drawn = new_canvas(2.3)
        axes = drawn.subplots()
        axes.plot(growth.at, growth.cpu_us, marker="o", color=BLUE)
        axes.set_ylim(0, 1.15 * max(growth.cpu_us))
        axes.set_xlim(0, None)
        axes.set_xlabel(growth.name)
        axes.set_ylabel("CPU time (µs)")
        axes.grid()
        return svg(drawn)


def long_run_picture(long: LongRun) -> str:
    """Time and memory over the steps, each from zero."""
    with style():
        drawn = new_canvas(3.4)
        above, below = drawn.subplots(2, sharex=True)
        for axes, values, name, colour in (
            (above, long.cpu_us, "CPU µs a step", BLUE),
            (below, long.resident_mb, "resident MB", VERMILION),
        ):
            axes.plot(long.steps, values, color=colour)
            axes.set_ylim(0, 1.2 * max(values))
            axes.set_ylabel(name)
            axes.grid()
        below.set_xlabel("steps")
        return svg(drawn)


def _logarithmic(axes: Any) -> None:
    """Plain numbers at the powers of ten: the style writes no formulas."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
