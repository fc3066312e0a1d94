"""``m3er-export bundle``: encoders to files, tables and fusion fitted on pairs, scored, written whole or not at all."""

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle import NetVariant, open_bundle
from edge.m3er.proxy import ProxyTable
from edge.m3er.tables import Tables
from edge.perceive.face_crop import CROP_SIZE_PX
from edge.perceive.log_mel import SETTINGS
from edge.perceive.tokens import TOKENS, Vocabulary
from edge.reading import Modality
from export.bundle_writer import check_target, write_bundle
from export.card import TRAINING_DATA, card
from export.convert.bundle_nets import convert_encoders, convert_fusion, encode_by_file
from export.corpora.emotions import EMOTIONS
from export.corpora.everything import Corpora, read_corpora
from export.corpora.vote_matched import paired_steps
from export.evaluate.parts import part_answers, part_figures
from export.evaluate.whole_step import calibrated, whole_step_figures
from export.fit.fit_tables import CHECK_WINDOW_STEPS, NEIGHBOURS, fit_tables, standardised
from export.heads import HEADS, heads_file
from export.nets.devices import ONE_DEVICE, Devices
from export.nets.encoder_training import EncoderTask
from export.nets.encoders import Schedules
from export.nets.face import DIM
from export.nets.fusion import STATE_SIZES
from export.nets.fusion_training import fusion_examples, train_fusion
from export.options import add_data, add_devices, devices
from export.train import trained

HOP_S = 0.5
MINIMUM_QUALITY = 0.3
METRICS = "metrics.json"
PAIR_SEED = {"matching": 0, "validation": 1, "test": 2}
"""Added to the seed, so that each split's pairs are drawn anew."""


@dataclass(frozen=True)
class Plan:
    """How long each part is trained. The default fits two cores; a test may ask for less."""

    encoders: Schedules = field(default_factory=Schedules)
    copies: int = 6
    fusion_epochs: int = 14
    fusion_batch: int = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-export bundle``."""
    add_data(parser)
    add_devices(parser)
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder; an older bundle is replaced")
    parser.add_argument("--name", default="default", help="the bundle's name (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """``m3er-export bundle``."""
    check_target(args.out)
    corpora = read_corpora(args.data, args.cache, args.seed)
    make_bundle(corpora, args.out, args.name, args.cache, args.seed, Plan(), devices(args))
    print(f"Bundle: {args.out}\nScores and their protocol: {args.out / 'card.md'}")
    return 0


def make_bundle(
    corpora: Corpora, out: Path, name: str, cache: Path, seed: int, plan: Plan, devices: Devices = ONE_DEVICE
) -> None:
    """Train (or take from the cache), convert, fit, score, write. Nothing half-written is ever left at `out`."""
    vocabulary, encoders = trained(corpora, cache, seed, plan.encoders, devices)
    with tempfile.TemporaryDirectory() as scratch:
        nets = Path(scratch) / "nets"
        nets.mkdir()
        variants = convert_encoders(encoders, corpora, vocabulary, nets)
        encode = {v.net: encode_by_file(v, nets) for v in variants}
        pairs = {
            split: paired_steps(
                corpora.recordings[split],
                corpora.faces[split],
                corpora.utterances[split],
                encode,
                vocabulary,
                HOP_S,
                plan.copies if split == "matching" else 2,
                seed + number,
            )
            for split, number in PAIR_SEED.items()
            if split != "test"
        }
        matching, validation = pairs["matching"], pairs["validation"]
        tables, ridge = fit_tables(matching, validation, _ruin_detectors(encoders), seed)
        proxies = ProxyTable(tables, NEIGHBOURS, ridge)
        learnt_from = fusion_examples(
            standardised(tables, matching), matching.present, matching.labels, proxies, tables.proxy_weight
        )
        fusion = train_fusion(learnt_from, plan.fusion_epochs, plan.fusion_batch, seed)
        variants.append(convert_fusion(fusion, standardised(tables, validation), nets))
        tables, unknown_below = calibrated(nets / Path(variants[-1].file).name, ridge, tables, validation)
        manifest = _manifest(name, variants, ridge, unknown_below)
        beside = {HEADS: heads_file(encoders)}

        def write(where: Path, tables: Tables, vocabulary: Vocabulary, text: str, metrics: Mapping[str, Any]) -> None:
            whole = {**manifest, "metrics": dict(metrics)}
            more = {**beside, METRICS: json.dumps(metrics, indent=1).encode()}
            write_bundle(where, nets, tables, vocabulary, text, whole, more)

        # a draft is scored as anybody would score it: through the files, by what a device reads
        draft = Path(scratch) / "draft"
        write(draft, tables, vocabulary, "", {})
        bundle = open_bundle(draft)
        figures = [*part_figures(part_answers(bundle, corpora)), *whole_step_figures(bundle, corpora, seed)]
        metrics = {
            "unknown_below": unknown_below,
            "figures": [figure.model_dump(exclude={"reach", "better", "peer", "note"}) for figure in figures],
        }
        write(out, tables, vocabulary, card(name, figures, unknown_below, variants), metrics)


def _ruin_detectors(encoders: Mapping[Modality, EncoderTask]) -> dict[Modality, np.ndarray[Any, np.dtype[np.float32]]]:
    return {
        m: np.append(task.ruin.weight.detach().numpy()[0], task.ruin.bias.detach().numpy()).astype(np.float32)
        for m, task in encoders.items()
    }


def _manifest(name: str, variants: list[NetVariant], ridge: float, unknown_below: float) -> dict[str, Any]:
    return {
        "name": name,
        "labels": list(EMOTIONS),
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
        "data": TRAINING_DATA,
    }
