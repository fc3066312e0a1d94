"""The report's own tables and captioned figures: each turns one kind of measurement into HTML."""

from collections.abc import Sequence

import numpy as np

from export.evaluate import report_figures as draw
from export.evaluate.evaluation import (
    Confusion,
    Coverage,
    LearningCurve,
    Mistake,
    ProxyPicture,
    Reliability,
    Roc,
    Table,
)
from export.evaluate.report_page import cards, figure, paragraph, side_by_side, table, text

_COVERAGE_ROWS = 11
_SHOWN_FROM = 0.01  # less probable labels are added up


def tables_html(tables: Sequence[Table]) -> str:
    """Tables with their title and what to read from them."""
    return "".join(
        f'<h3 id="table-{text(one.key)}">{text(one.title)}</h3>\n'
        f"{paragraph(one.text)}{table(one.columns, one.rows, one.decimals)}"
        for one in tables
    )


def confusions_html(confusions: Sequence[Confusion]) -> str:
    """Who was taken for whom."""
    return side_by_side(
        [
            figure(
                one.title,
                f"{one.split}. In each row what truly was that, in per cent of the row and as a count.",
                [draw.confusion_picture(one)] if one.labels else [],
                table(["truly", *one.labels], [[name, *row] for name, row in zip(one.labels, one.counts, strict=True)]),
            )
            for one in confusions
        ]
    )


def learning_html(curves: Sequence[LearningCurve]) -> str:
    """How the nets learnt."""
    return side_by_side(
        [
            figure(
                f"Learning: {one.net}",
                "",
                [draw.learning_picture(one)] if one.epochs and one.series else [],
                table(
                    ["", "first epoch", "last epoch", "lowest", "highest"],
                    [[name, v[0], v[-1], min(v), max(v)] for name, v in one.series.items() if v],
                ),
            )
            for one in curves
        ]
    )


def rocs_html(rocs: Sequence[Roc]) -> str:
    """How well detectors find what they must."""
    return "".join(
        figure(
            one.title,
            one.text,
            draw.roc_pictures(one),
            table(["detector", "area under the curve"], [[curve.name, curve.area] for curve in one.curves]),
        )
        for one in rocs
    )


def proxies_html(pictures: Sequence[ProxyPicture]) -> str:
    """Features beside their proxies."""
    return side_by_side(
        [
            figure(
                one.title,
                one.text,
                [draw.proxy_picture(one)] if one.rows and one.rows[0].true else [],
                "<p>Root mean square of the difference from the true features:</p>\n"
                + table(
                    ["moment", "noisy", "regenerated"],
                    [[row.name, _away(row.noisy, row.true), _away(row.regenerated, row.true)] for row in one.rows],
                ),
            )
            for one in pictures
        ]
    )


def calibration_html(reliabilities: Sequence[Reliability], coverages: Sequence[Coverage]) -> str:
    """How far a confidence can be believed, and what saying 'unknown' buys."""
    figures = [
        figure(
            one.title,
            f"Expected calibration error {one.error_before:.4f} without the temperature, {one.error_after:.4f} with.",
            [draw.reliability_picture(one)] if one.bins else [],
            table(["confidence", "accuracy", "samples"], [[b.confidence, b.accuracy, b.samples] for b in one.bins]),
        )
        for one in reliabilities
    ]
    for coverage in coverages:
        count = len(coverage.coverage)
        some = sorted({round(at) for at in np.linspace(0, count - 1, min(count, _COVERAGE_ROWS))}) if count else []
        figures.append(
            figure(
                coverage.title,
                "Below a threshold of confidence the answer is 'unknown'.",
                [draw.coverage_picture(coverage)] if count else [],
                table(["answered", "accuracy"], [[coverage.coverage[at], coverage.accuracy[at]] for at in some]),
            )
        )
    return side_by_side(figures)


def mistakes_html(mistakes: Sequence[Mistake]) -> str:
    """The wrong answers that were given with most confidence, by number only."""
    if not mistakes:
        return ""
    columns = ("place", "part", "number", "truth and guess", "probabilities", "note")
    rows = [
        (
            f"<span>{place}</span>",
            f"<span>{text(one.part)}</span>",
            f"<code>{text(one.name)}</code>",
            f"<span>truly <b>{text(one.truth)}</b><br>taken for <b>{text(one.guess)}</b><br>"
            f"confidence {one.confidence:.3f}</span>",
            _bars(one),
            f"<span>{text(one.note)}</span>" if one.note else "",
        )
        for place, one in enumerate(mistakes, 1)
    ]
    return (
        "<p>Worst first; orange is what was said, blue the truth. By the number of the clip or image only: the "
        "licences of the corpora forbid passing pictures and sound on.</p>\n"
    ) + cards(columns, rows)


def _bars(one: Mistake) -> str:
    """A bar for each probability, truth and guess named and coloured; the small rest together."""
    lines, rest = "", []
    for label, share in sorted(one.probabilities.items(), key=lambda item: -item[1]):
        kind = "truth" if label == one.truth else "guess" if label == one.guess else ""
        if kind or share >= _SHOWN_FROM:
            lines += _bar(f"<b>{text(label)}</b>" if kind else text(label), kind, share)
        else:
            rest.append(share)
    if rest:
        lines += _bar(f"{len(rest)} other{'s' if len(rest) > 1 else ''}", "", min(sum(rest), 1.0))
    return f'<div class="probabilities">{lines}</div>' if lines else ""


def _bar(name: str, kind: str, share: float) -> str:
    return (
        f'<span>{name}</span><span class="bar"><i class="{kind}" style="width:{100 * share:.1f}%"></i></span>'
        f"<span>{share:.3f}</span>"
    )


def _away(some: Sequence[float], others: Sequence[float]) -> float | None:
    if not some:
        return None
    return float(np.sqrt(np.mean((np.array(some) - np.array(others)) ** 2)))
