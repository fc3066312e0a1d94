"""The same model in each engine and precision: nets alone, and the whole step with tables that were fitted on one."""

from dataclasses import replace

from edge.bundle import Bundle
from edge.engines.engine import EngineName, Precision
from export.corpora.everything import Corpora
from export.evaluate.evaluation import Cell, Table
from export.evaluate.parts import part_answers, part_figures
from export.evaluate.scores import calibration_error
from export.evaluate.whole_step import Method, test_moments

_VARIANTS: tuple[tuple[EngineName, Precision], ...] = (
    ("onnx", "fp32"),
    ("onnx", "int8"),
    ("litert", "fp32"),
    ("litert", "int8"),
)
_PARTS = {
    "face, accuracy": ("FER+", "accuracy"),
    "speech, mean recall": ("CREMA-D, intended", "mean recall"),
    "text, weighted F1": ("MELD", "weighted F1"),
}


def variants_table(bundle: Bundle, corpora: Corpora, seed: int) -> Table | None:
    """A row for each variant that the bundle has of all nets; None where it has but one file a net."""
    rows: list[list[Cell]] = []
    for engine, precision in _VARIANTS:
        if {v.net for v in bundle.manifest.nets if (v.engine, v.precision) == (engine, precision)} != {
            v.net for v in bundle.manifest.nets
        }:
            continue
        alone = of_variant(bundle, engine, precision)
        figures = {(f.data, f.name): f.value for f in part_figures(part_answers(alone, corpora))}
        moments, _ = test_moments(alone, corpora, seed)
        probabilities, dropped = Method.of(alone).run(moments, moments.present, check=True)
        truth = moments.labels.argmax(axis=1)
        rows.append(
            [
                f"{engine} {precision}",
                *(figures.get(key) for key in _PARTS.values()),
                float((probabilities.argmax(axis=1) == truth).mean()),
                calibration_error(probabilities, truth),
                dropped,
            ]
        )
    if len(rows) < 2:
        return None
    return Table(
        key="variants",
        section="per part",
        title="The same model in each engine and precision",
        text="All four nets in one variant, on the test people. Tables, thresholds and temperatures are those of the "
        f"bundle, fitted on {bundle.net('face').engine} {bundle.net('face').precision}; the last column is the share "
        "of clean features that the check dropped.",
        columns=["nets", *_PARTS, "whole step, accuracy", "calibration error", "dropped"],
        rows=rows,
    )


def of_variant(bundle: Bundle, engine: EngineName, precision: Precision) -> Bundle:
    """The bundle with the nets of one variant first."""
    first = sorted(bundle.manifest.nets, key=lambda v: (v.engine, v.precision) != (engine, precision))
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"nets": first}))
