"""From encoders and pairs to a bundle: tables, fusion, calibration, scores, written whole or not at all."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle, NetVariant, open_bundle
from edge.engines.engine import Engine
from edge.errors import M3erError
from edge.m3er.fusion import FusionStep
from edge.m3er.proxy import ProxyTable
from edge.m3er.tables import Tables
from edge.perceive.face_crop import CROP_SIZE_PX
from edge.perceive.log_mel import SETTINGS
from edge.perceive.tokens import TOKENS, Vocabulary
from edge.reading import MODALITIES, Modality
from export.bundle_writer import write_bundle
from export.card import Story, card
from export.convert.bundle_nets import convert_fusion
from export.corpora.paired import PairedSteps
from export.evaluate.evaluation import Figure
from export.evaluate.scores import run_moments
from export.evaluate.whole_step import calibrated
from export.fit.fit_tables import CHECK_WINDOW_STEPS, NEIGHBOURS, fit_tables, standardised
from export.nets.encoder import DIM
from export.nets.fusion import STATE_SIZES
from export.nets.fusion_training import fusion_examples, train_fusion

HOP_S = 0.5
MINIMUM_QUALITY = 0.3
METRICS = "metrics.json"
LEAST_MOMENTS = 20
"""In each split: with fewer, thresholds at a share of 5 % mean nothing."""

Score = Callable[[Bundle], list[Figure]]


@dataclass(frozen=True)
class FusionPlan:
    """How long the fusion is trained."""

    epochs: int = 14
    batch: int = 128


@dataclass(frozen=True)
class Ingredients:
    """What a bundle is made of.

    Attributes:
        labels: the emotions.
        nets: a folder with the encoders' files and nothing else; the fusion's file joins them.
        encoders: their entries in the manifest; of each net the first is the one whose features the pairs hold.
        ruin: per modality (dim + 1,): weights and constant of the encoder's own detector of ruined inputs, for its
            features as they come.
        strange: per modality, features (n, dim) of sound inputs of validation people, disturbed far more than what the
            encoders learnt from: hardly one may count as damaged. Empty if there are none.
        vocabulary: the text encoder's.
        beside: files that are kept in the bundle though no device reads them.
        matching, validation: pairs of people that the encoders did not learn from: for tables and fusion; for limits.
        story: what the card tells of the data.
    """

    labels: tuple[str, ...]
    nets: Path
    encoders: list[NetVariant]
    ruin: Mapping[Modality, NDArray[np.float32]]
    strange: Mapping[Modality, NDArray[np.float32]]
    vocabulary: Vocabulary
    beside: Mapping[str, bytes]
    matching: PairedSteps
    validation: PairedSteps
    story: Story


def fuse(made_of: Ingredients, out: Path, name: str, seed: int, plan: FusionPlan, score: Score) -> None:
    """Fit tables and fusion, score a draft as anybody would score it, and put the bundle at `out`.

    Raises:
        M3erError: too few pairs have all three modalities.
    """
    matching, validation, nets = made_of.matching, made_of.validation, made_of.nets
    for pairs, split in ((matching, "train"), (validation, "validation")):
        together = int((pairs.present.sum(axis=2) == len(MODALITIES)).any(axis=1).sum())
        if together < LEAST_MOMENTS:
            raise M3erError(
                f"only {together} moments of the {split} split have a face, a voice and words at once, "
                f"at least {LEAST_MOMENTS} are needed; add clips, or look at why faces or voices are not found in them"
            )
    tables, ridge = fit_tables(matching, validation, made_of.ruin, made_of.strange, seed)
    learnt_from = fusion_examples(
        standardised(tables, matching),
        matching.present,
        matching.labels,
        ProxyTable(tables, NEIGHBOURS, ridge),
        tables.proxy_weight,
    )
    fusion = train_fusion(learnt_from, plan.epochs, plan.batch, seed)
    features = standardised(tables, validation)

    def accuracy(engine: Engine) -> float:
        proxies, step = ProxyTable(tables, NEIGHBOURS, ridge), FusionStep(engine, STATE_SIZES, tables.temperature)
        said, _ = run_moments(features, validation.present, None, proxies, step, len(made_of.labels))
        return float((said.argmax(axis=1) == validation.labels.argmax(axis=1)).mean())

    fusion_files = convert_fusion(fusion, features, accuracy, nets)
    variants = [*made_of.encoders, *fusion_files]
    tables, unknown_below = calibrated(nets / Path(fusion_files[0].file).name, ridge, tables, validation)
    manifest = {
        "name": name,
        "labels": list(made_of.labels),
        "dim": DIM,
        "hop_s": HOP_S,
        "check_window_steps": CHECK_WINDOW_STEPS,
        "minimum_quality": MINIMUM_QUALITY,
        "neighbours": NEIGHBOURS,
        "ridge": ridge,
        "unknown_below": unknown_below,
        "log_mel": SETTINGS,
        "face_side": CROP_SIZE_PX,
        "tokens": TOKENS,
        "state": STATE_SIZES,
        "nets": variants,
        "data": made_of.story.data,
    }

    def write(where: Path, tables: Tables, text: str, metrics: Mapping[str, Any], self_test: bool) -> None:
        more = {**made_of.beside, METRICS: json.dumps(metrics, indent=1).encode()}
        whole = {**manifest, "metrics": dict(metrics)}
        write_bundle(where, nets, tables, made_of.vocabulary, text, whole, more, self_test)

    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / "draft"
        write(draft, tables, "", {}, self_test=False)
        figures = score(open_bundle(draft))
    metrics = {
        "unknown_below": unknown_below,
        "figures": [figure.model_dump(exclude={"reach", "better", "peer", "note"}) for figure in figures],
    }
    text = card(name, made_of.story, made_of.labels, figures, unknown_below, variants)
    write(out, tables, text, metrics, self_test=True)
