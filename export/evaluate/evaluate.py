"""``m3er-export evaluate``: every figure of a bundle, with intervals, in one file and one page."""

import argparse
import os
import platform
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console

from edge.bundle import Bundle, open_bundle
from edge.reading import MODALITIES, Modality
from export.bundle_of_clips import clip_pairs
from export.bundle_writer import commit
from export.corpora.cache import cached_text, source_digest
from export.corpora.clip import Clip, split_by_speaker
from export.corpora.everything import Corpora, read_corpora
from export.corpora.mosei import read_mosei
from export.corpora.mosi import read_mosi
from export.corpora.owned import read_owned
from export.corpora.paired import FeaturePairs
from export.corpora.ravdess_pairs import read_ravdess_pairs
from export.evaluate import (
    check_study,
    fold_check,
    fusion_study,
    net_shelf,
    noise_protocol,
    pair_damage,
    pair_folds,
    proxy_study,
    real_pairs,
    rule_study,
)
from export.evaluate.damage_moments import DamageMoments
from export.evaluate.damage_study import damage_study
from export.evaluate.evaluation import Evaluation, LearningCurve, write_evaluation
from export.evaluate.moments_report import moments_report
from export.evaluate.parts import part_answers, part_confusions, part_figures, worst_mistakes
from export.evaluate.ravdess_speech import Schedules, SpeechFolds, cross_validated_speech
from export.evaluate.real_pairs import RealPairs, one_corpus_evaluation, real_pairs_evaluation
from export.evaluate.report import write_report
from export.evaluate.variant_study import variants_table
from export.evaluate.whole_step import test_moments
from export.fit import pair_check, pair_proxies
from export.heads import Heads
from export.nets import memory_fusion, multiplicative_loss, pair_fusion
from export.options import add_data

_DAMAGED_MOMENTS = 240
_MISTAKES = 10
_METHOD = (
    real_pairs,
    check_study,
    fold_check,
    fusion_study,
    net_shelf,
    noise_protocol,
    pair_damage,
    pair_folds,
    proxy_study,
    rule_study,
    pair_check,
    pair_proxies,
    memory_fusion,
    multiplicative_loss,
    pair_fusion,
)
"""Whose code the real pairs' figures depend on."""
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
    command = f"m3er-export evaluate --bundle {args.bundle} --data {args.data} --seed {args.seed}"
    owned = read_owned(args.data)
    if any(args.data.rglob("*.csd")):
        evaluation = evaluate_pairs(bundle, read_mosei(args.data), args.seed, command)
    elif owned is not None:
        evaluation = evaluate_clips(bundle, owned[0], args.cache, args.seed, command)
    else:
        corpora = read_corpora(args.data, args.cache, args.seed)
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
    step = _stage("whole step", lambda: moments_report(bundle, _PAIRS, *test_moments(bundle, corpora, seed)))
    variants = _stage("every engine and precision", lambda: variants_table(bundle, corpora, seed))
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
    real = _stage("real pairs: fusions, check, proxies", lambda: _real_pairs(data, folds, cache, seed))
    heads = Heads(bundle.folder)
    return Evaluation(
        **_header(bundle, command, seed),
        data="FER+ (FER2013), CREMA-D, RAVDESS, eight text corpora, CMU-MOSI; splits by person, image and text",
        figures=sorted(
            [*part_figures(answers), folds.figure(), *step.figures, *damage.figures, *real.figures],
            key=lambda figure: figure.reach is None,  # what must be reached comes first
        ),
        tables=[*([] if variants is None else [variants]), *step.tables, *damage.tables, *real.tables],
        confusions=[*part_confusions(answers), folds.confusion(), *step.confusions],
        rocs=[*damage.rocs, *real.rocs],
        reliabilities=step.reliabilities,
        coverages=step.coverages,
        learning=[_learning(heads, m) for m in MODALITIES],
        proxies=real.proxies,
        mistakes=worst_mistakes(answers, _MISTAKES),
    )


def evaluate_clips(bundle: Bundle, clips: list[Clip], cache: Path, seed: int, command: str) -> Evaluation:
    """Score the whole step on the test split of a user's own clips, or of IEMOCAP or MELD."""
    data = ", ".join(sorted({clip.dataset for clip in clips}))
    test = split_by_speaker(clips, seed)["test"]
    pairs, people = _stage("perceiving the clips", lambda: clip_pairs(bundle, test, bundle.manifest.labels, cache))
    step = _stage("whole step", lambda: moments_report(bundle, data, pairs, people))
    return Evaluation(
        **_header(bundle, command, seed),
        data=f"{data}; test split by speaker, or as its owner gives it",
        figures=step.figures,
        tables=step.tables,
        confusions=step.confusions,
        reliabilities=step.reliabilities,
        coverages=step.coverages,
    )


def evaluate_pairs(bundle: Bundle, pairs: FeaturePairs, seed: int, command: str) -> Evaluation:
    """The method on a corpus that comes as features (CMU-MOSEI). No net of the bundle reads them: its name alone is
    noted."""
    real = _stage(f"{pairs.name}: fusions, check, proxies", lambda: one_corpus_evaluation(pairs, seed))
    return Evaluation(
        **_header(bundle, command, seed),
        data=f"{pairs.name}, features as its owner gives them; folds by person",
        figures=real.figures,
        tables=real.tables,
        rocs=real.rocs,
        proxies=real.proxies,
    )


def _header(bundle: Bundle, command: str, seed: int) -> dict[str, Any]:
    return {
        "bundle": bundle.id,
        "commit": commit(),
        "command": command,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}",
        "seed": seed,
        "made": date.today().isoformat(),
    }


def _stage(name: str, work: Callable[[], T]) -> T:
    _CONSOLE.print(f"[bold]{name}[/bold]")
    return work()


def _real_pairs(data: Path, folds: SpeechFolds, cache: Path, seed: int) -> RealPairs:
    """Kept by content: it is the longest part, and no bundle changes it."""
    mosi = read_mosi(data / "trimodal")
    ravdess, names = read_ravdess_pairs(data / "trimodal")
    joined, speech_of_fold = folds.join(ravdess, names)
    sums = [float(np.abs(f).sum()) for pairs in (mosi, joined) for f in pairs.features.values()]
    voice = float(np.abs(folds.stacked).sum())

    def compute() -> str:
        return real_pairs_evaluation(mosi, joined, speech_of_fold, seed).model_dump_json()

    code = source_digest(*_METHOD)
    return RealPairs.model_validate_json(cached_text(cache, "real-pairs", [code, sums, voice, seed], compute))


def _learning(heads: Heads, modality: Modality) -> LearningCurve:
    curve = heads.curve(modality)
    epochs = [round(epoch) for epoch in curve.pop("epoch")]
    return LearningCurve(net=modality, epochs=epochs, series=curve)
