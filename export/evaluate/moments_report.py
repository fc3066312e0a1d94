"""All that the report tells about the whole step on some moments: scores, what is missing, confidence, confusion."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.bundle import Bundle
from export.corpora.paired import PairedSteps
from export.evaluate.confidence import coverage, reliability
from export.evaluate.confusions import confusion_of
from export.evaluate.evaluation import Cell, Confusion, Coverage, Figure, Reliability, Table
from export.evaluate.scores import without
from export.evaluate.whole_step import SITUATIONS, Method, step_figures

_LOOKED_AT = ("all three", "speech only")
"""Situations whose confidence is drawn: the best, and one of those where temperature matters most."""


@dataclass
class MomentsReport:
    """What was measured."""

    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    confusions: list[Confusion] = field(default_factory=list)
    reliabilities: list[Reliability] = field(default_factory=list)
    coverages: list[Coverage] = field(default_factory=list)


def moments_report(bundle: Bundle, data: str, moments: PairedSteps, people: Sequence[str]) -> MomentsReport:
    """Run the bundle's step over the moments, with every pattern of missing modalities.

    Args:
        data: what the moments are, for titles.
        people: the speaker of each moment.
    """
    method, found = Method.of(bundle), MomentsReport()
    truth = moments.labels.argmax(axis=1)
    rows: list[list[Cell]] = []
    for situation, gone in SITUATIONS.items():
        present = without(moments.present, gone)
        probabilities, dropped = method.run(moments, present, check=True)
        figures = step_figures(data, situation, probabilities, truth, people)
        found.figures += figures
        rows.append([situation, *(figure.value for figure in figures), dropped])
        title = f"whole step, {data}, {situation}"
        if situation in _LOOKED_AT:
            unscaled, _ = method.uncalibrated().run(moments, present, check=True)
            found.reliabilities.append(reliability(title, unscaled, probabilities, truth))
            found.coverages.append(coverage(title, probabilities, truth, bundle.manifest.unknown_below))
        if not gone:
            guess = probabilities.argmax(axis=1)
            found.confusions.append(confusion_of(title, figures[0].split, bundle.manifest.labels, truth, guess))
    found.tables.append(
        Table(
            key="missing-" + data.replace(" ", "-"),
            section="missing",
            title=f"Every pattern of missing modalities: {data}",
            text="The whole step as shipped: what is missing is replaced by proxies from what is there. The last "
            "column is the share of clean features that the check dropped.",
            columns=["there", "accuracy", "mean recall", "calibration error", "dropped"],
            rows=rows,
        )
    )
    return found
