"""``m3er-export evaluate``: every figure of a bundle, with intervals, in one file and one page."""

import argparse
import platform
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from edge.bundle import Bundle, open_bundle
from edge.reading import MODALITIES, Modality
from export.bundle_writer import commit
from export.corpora.everything import Corpora, read_corpora
from export.corpora.mosi import read_mosi
from export.corpora.ravdess_pairs import read_ravdess_pairs
from export.evaluate.confidence import coverage, reliability
from export.evaluate.damage_moments import DamageMoments
from export.evaluate.damage_study import damage_study
from export.evaluate.evaluation import Coverage, Evaluation, Figure, LearningCurve, Reliability, Table, write_evaluation
from export.evaluate.parts import part_answers, part_confusions, part_figures, worst_mistakes
from export.evaluate.ravdess_speech import Schedules, SpeechFolds, cross_validated_speech
from export.evaluate.real_pairs import RealPairs, real_pairs_evaluation
from export.evaluate.report import write_report
from export.evaluate.scores import without
from export.evaluate.whole_step import SITUATIONS, Method, step_figures, test_moments
from export.heads import Heads
from export.options import add_data

_DAMAGED_MOMENTS = 240
_MISTAKES = 10
_PAIRS = "vote-matched pairs"
_CONSOLE = Console(stderr=True)
T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-export evaluate``."""
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    add_data(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("out"), help="folder of what is written (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """``m3er-export evaluate``."""
    bundle = open_bundle(args.bundle)
    corpora = read_corpora(args.data, args.cache, args.seed)
    command = f"m3er-export evaluate --bundle {args.bundle} --data {args.data} --seed {args.seed}"
    evaluation = evaluate(bundle, corpora, args.data, args.cache, args.seed, command)
    args.out.mkdir(parents=True, exist_ok=True)
    write_evaluation(evaluation, args.out / "evaluation.json")
    write_report(evaluation, args.out / "report.html")
    for figure in evaluation.figures:
        if figure.reached is not None:
            word = "reached" if figure.reached else "missed"
            print(f"{figure.part}, {figure.data}: {figure.name} {figure.value:.3f}, asked {figure.reach}: {word}")
    print(f"Report: {args.out / 'report.html'}\nFigures: {args.out / 'evaluation.json'}")
    return 0


def evaluate(bundle: Bundle, corpora: Corpora, data: Path, cache: Path, seed: int, command: str) -> Evaluation:
    """Score everything: encoders, whole step, damage, confidence, the method on real pairs."""
    answers = _stage("encoders as shipped", lambda: part_answers(bundle, corpora))
    step_scores, reliabilities, coverages = _stage("whole step", lambda: _whole_step(bundle, corpora, seed))
    damage = _stage(
        "damaged modalities",
        lambda: damage_study(
            bundle.tables,
            DamageMoments(bundle, corpora, data / "speech", "validation", _DAMAGED_MOMENTS, seed),
            DamageMoments(bundle, corpora, data / "speech", "test", _DAMAGED_MOMENTS, seed),
        ),
    )
    everyone = [r for recordings in corpora.recordings.values() for r in recordings]
    folds = _stage(
        "speech, cross-validated on RAVDESS",
        lambda: cross_validated_speech(everyone, cache, seed, Schedules()),
    )
    real = _stage("real pairs: fusions, check, proxies", lambda: _real_pairs(data, folds, seed))
    heads = Heads(bundle.folder)
    return Evaluation(
        bundle=bundle.id,
        commit=commit(),
        command=command,
        machine=f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        seed=seed,
        made=date.today().isoformat(),
        data="FER+ (FER2013), CREMA-D, RAVDESS, eight text corpora, CMU-MOSI; splits by person, image and text",
        figures=[*part_figures(answers), folds.figure(), *step_scores, *damage.figures, *real.figures],
        tables=[_missing_table(step_scores), *damage.tables, *real.tables],
        confusions=[*part_confusions(answers), folds.confusion()],
        rocs=[*damage.rocs, *real.rocs],
        reliabilities=reliabilities,
        coverages=coverages,
        learning=[_learning(heads, m) for m in MODALITIES],
        proxies=real.proxies,
        mistakes=worst_mistakes(answers, _MISTAKES),
    )


def _stage(name: str, work: Callable[[], T]) -> T:
    _CONSOLE.print(f"[bold]{name}[/bold]")
    return work()


def _whole_step(bundle: Bundle, corpora: Corpora, seed: int) -> tuple[list[Figure], list[Reliability], list[Coverage]]:
    moments, people = test_moments(bundle, corpora, seed)
    method = Method.of(bundle)
    truth = moments.labels.argmax(axis=1)
    figures, curves = [], []
    given = []
    for situation, gone in SITUATIONS.items():
        present = without(moments.present, gone)
        probabilities, _ = method.run(moments, present, check=True)
        figures += step_figures(_PAIRS, situation, probabilities, truth, people)
        if situation in ("all three", "speech only"):
            unscaled, _ = method.uncalibrated().run(moments, present, check=True)
            curves.append(reliability(f"whole step, {situation}", unscaled, probabilities, truth))
            given.append(coverage(f"whole step, {situation}", probabilities, truth, bundle.manifest.unknown_below))
    return figures, curves, given


def _missing_table(figures: list[Figure]) -> Table:
    rows: list[list[str | float | int | None]] = []
    for situation in SITUATIONS:
        of = {f.name: f.value for f in figures if f.data.endswith(f", {situation}")}
        rows.append([situation, of["accuracy"], of["mean recall"], of["calibration error"]])
    return Table(
        key="missing-vote-matched",
        section="missing",
        title="Every pattern of missing modalities, vote-matched pairs",
        text="The whole step as shipped: what is missing is replaced by proxies from what is there.",
        columns=["there", "accuracy", "mean recall", "calibration error"],
        rows=rows,
    )


def _real_pairs(data: Path, folds: SpeechFolds, seed: int) -> RealPairs:
    mosi = read_mosi(data / "trimodal")
    ravdess, names = read_ravdess_pairs(data / "trimodal")
    return real_pairs_evaluation(mosi, *folds.join(ravdess, names), seed)


def _learning(heads: Heads, modality: Modality) -> LearningCurve:
    curve = heads.curve(modality)
    epochs = [round(epoch) for epoch in curve.pop("epoch")]
    return LearningCurve(net=modality, epochs=epochs, series=curve)
