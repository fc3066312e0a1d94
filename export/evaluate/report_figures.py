"""The report's pictures. Each comes as a data URI, so that the page needs no file beside it.

All are drawn for a telephone's 360 pixels, where their letters are still read, and grow on wider pages.
"""

import textwrap
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from edge.publish.colours import BLACK, BLUE, GREEN, PURPLE, SKY, VERMILION, ink_on
from export.evaluate.canvas import new_canvas, png, style, svg
from export.evaluate.evaluation import Confusion, Coverage, LearningCurve, ProxyPicture, Reliability, Roc

CURVES_PER_PICTURE = 4
"""More ROC curves than these cannot be told apart, so further ones get a picture of their own."""

_PALE, _LINE = "#B8B8B8", "#666666"
# Told apart by their dashes too.
_LOOKS: tuple[tuple[str, Any], ...] = (
    (BLUE, "-"),
    (VERMILION, (0, (5, 1.5))),
    (GREEN, (0, (1.2, 1.2))),
    (PURPLE, (0, (6, 1.5, 1.2, 1.5))),
    (BLACK, (0, (8, 3))),
    (SKY, (0, (3, 1, 1, 1, 1, 1))),
)


def confusion_picture(confusion: Confusion) -> str:
    """A heat map: of those who are truly one label, the share that was taken for each."""
    counts = np.array(confusion.counts, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    count = len(confusion.labels)
    names = [textwrap.shorten(label, 14, placeholder="…") or label[:13] for label in confusion.labels]
    with style():
        canvas = new_canvas(3.5)
        axes = canvas.add_subplot()
        mesh = axes.pcolormesh(shares, cmap="cividis", vmin=0, vmax=1, edgecolors="white", linewidth=0.6)
        size = min(8.5, 58 / count)
        for row in range(count):
            for column in range(count):
                ink = ink_on(mpl.colors.to_hex(mesh.cmap(shares[row, column])))
                drawn = {"color": ink, "ha": "center"}
                share, many = f"{100 * shares[row, column]:.0f} %", f"{counts[row, column]:.0f}"
                axes.text(column + 0.5, row + 0.52, share, size=size, va="bottom", **drawn)
                axes.text(column + 0.5, row + 0.58, many, size=0.8 * size, va="top", **drawn)
        middles = np.arange(count) + 0.5
        axes.set_xticks(middles, names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(middles, names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.invert_yaxis()
        axes.set_xlabel("taken for")
        axes.set_ylabel("truly")
        return svg(canvas)


def roc_pictures(roc: Roc) -> list[str]:
    """The curves, a few to a picture, the others pale behind them."""
    if not roc.curves:
        return []
    pictures = []
    for here in np.array_split(np.arange(len(roc.curves)), -(-len(roc.curves) // CURVES_PER_PICTURE)):
        with style():
            canvas = new_canvas(3.5)
            axes = canvas.add_subplot()
            axes.plot([0, 1], [0, 1], color=_LINE, linewidth=0.8, linestyle=(0, (2, 2)))
            for number, curve in enumerate(roc.curves):
                if number not in here:
                    axes.plot(curve.false_positive, curve.true_positive, color=_PALE, linewidth=0.8)
            for number, (colour, dashes) in zip(here, _LOOKS, strict=False):
                curve = roc.curves[number]
                name = f"{textwrap.fill(curve.name, 30)}  {curve.area:.3f}"
                axes.plot(curve.false_positive, curve.true_positive, color=colour, linestyle=dashes, label=name)
            _unit_square(axes)
            axes.set_xlabel("false alarms (share of the good)")
            axes.set_ylabel("found (share of the ruined)")
            axes.legend(loc="lower right", title="area under the curve", title_fontsize=7.5, handlelength=2.4)
            pictures.append(svg(canvas))
    return pictures


def reliability_picture(reliability: Reliability) -> str:
    """Accuracy over confidence, on the diagonal where the bundle knows how right it is; below, how many samples."""
    confidence = [one.confidence for one in reliability.bins]
    with style():
        canvas = new_canvas(3.9)
        top, below = canvas.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
        top.plot([0, 1], [0, 1], color=_LINE, linewidth=0.8, linestyle=(0, (2, 2)), label="as sure as right")
        accuracy = [one.accuracy for one in reliability.bins]
        top.vlines(confidence, confidence, accuracy, color=VERMILION, linewidth=2.4, label="the gap")
        top.plot(confidence, accuracy, "o-", color=BLUE, markersize=4, linewidth=1.2, label="measured")
        _unit_square(top, aspect="auto")
        top.set_ylabel("accuracy")
        top.legend(loc="upper left")
        below.bar(confidence, [one.samples for one in reliability.bins], width=0.055, color=BLUE)
        below.set_ylabel("samples")
        below.set_ylim(bottom=0)
        below.grid(axis="y")
        below.set_xlabel("confidence")
        return svg(canvas)


def coverage_picture(coverage: Coverage) -> str:
    """Accuracy of the answers over the share of samples that get one."""
    with style():
        canvas = new_canvas(2.9)
        axes = canvas.add_subplot()
        axes.plot(coverage.coverage, coverage.accuracy, ".-" if len(coverage.coverage) == 1 else "-", color=BLUE)
        axes.set_xlim(0, 1.02)
        lowest = min([*coverage.accuracy, coverage.chosen.accuracy if coverage.chosen else 1.0])
        axes.set_ylim(max(0.0, np.floor(lowest * 10 - 0.5) / 10), 1.01)
        if coverage.chosen:
            at = (coverage.chosen.coverage, coverage.chosen.accuracy)
            axes.plot(*at, "o", color=VERMILION, markersize=7)
            axes.annotate(
                f"chosen: threshold {coverage.chosen.threshold:.3f},\n{at[0]:.1%} answered, {at[1]:.1%} right",
                at,
                (0.04, 0.06),
                textcoords="axes fraction",
                arrowprops={"arrowstyle": "-", "color": _LINE, "linewidth": 0.8, "shrinkB": 4},
                size=8,
            )
        axes.grid()
        axes.set_xlabel("answered (share of samples)")
        axes.set_ylabel("accuracy of the answers")
        return svg(canvas)


def learning_picture(curve: LearningCurve) -> str:
    """Losses above, scores below."""
    losses = [name for name in curve.series if "loss" in name.lower()]
    scores = [name for name in curve.series if name not in losses]
    panels = [(names, label) for names, label in ((losses, "loss"), (scores, "score (share)")) if names]
    looks = dict(zip(curve.series, _LOOKS * len(curve.series), strict=False))
    with style():
        canvas = new_canvas(1.95 * len(panels) + 0.2)
        for axes, (names, label) in zip(np.ravel(canvas.subplots(len(panels), 1, sharex=True)), panels, strict=True):
            for name in names:
                colour, dashes = looks[name]
                mark = "o" if len(curve.epochs) == 1 else None
                drawn = {"color": colour, "linestyle": dashes, "marker": mark}
                axes.plot(curve.epochs, curve.series[name], label=textwrap.fill(name, 36), **drawn)
            axes.grid()
            axes.legend(loc="best", handlelength=2.4)
            axes.set_ylabel(label)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        return svg(canvas)


def proxy_picture(picture: ProxyPicture) -> str:
    """Three strips to a moment, one under the other, number by number."""
    strips = [(row.true, row.noisy, row.regenerated) for row in picture.rows]
    low, high = _scale(np.array([row.true for row in picture.rows], dtype=np.float64))
    with style():
        canvas = new_canvas(0.95 + 0.55 * len(strips))
        panels = np.ravel(canvas.subplots(len(strips), 1, sharex=True, gridspec_kw={"hspace": 0.1}))
        for axes, row, three in zip(panels, picture.rows, strips, strict=True):
            image = axes.imshow(
                np.array(three), aspect="auto", interpolation="nearest", cmap="viridis", vmin=low, vmax=high
            )
            axes.hlines([0.5, 1.5], -0.5, len(row.true) - 0.5, color="white", linewidth=1)
            axes.set_yticks(range(3), ["true", "noisy", "regenerated"], fontsize=6.5)
            axes.tick_params(axis="y", length=0)
            axes.tick_params(axis="x", length=0, labelbottom=axes is panels[-1])
            axes.spines[:].set_visible(False)
            axes.set_ylabel(textwrap.fill(row.name, 12), rotation=0, ha="right", va="center", labelpad=4)
        panels[-1].set_xlabel(f"number of the {picture.modality} feature")
        panels[-1].xaxis.get_major_locator().set_params(integer=True)
        bar = canvas.colorbar(image, ax=list(panels), location="bottom", shrink=0.8, aspect=40, extend="both")
        bar.set_label("value (standard deviations of training)")
        bar.outline.set_visible(False)
        return png(canvas)


def _scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """The colours' ends, about zero: of what is true, without its outliers. Noise goes far beyond and would make all
    else look the same."""
    end = float(np.quantile(np.abs(values), 0.98)) or 1.0
    return -end, end


def _unit_square(axes: Any, aspect: str = "equal") -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_aspect(aspect)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid()
