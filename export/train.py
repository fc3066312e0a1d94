"""``m3er-export train``: from corpora to a bundle, in under 45 minutes on two cores."""

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from edge.m3er.proxy import ProxyTable
from edge.models import VOSK_TINY_EN
from edge.perceive.face_crop import CROP_SIZE_PX
from edge.perceive.log_mel import SETTINGS
from edge.perceive.tokens import TOKENS, words_of
from export.bundle_writer import check_target, write_bundle
from export.card import TRAINING_DATA, card
from export.convert.bundle_nets import convert_encoders, convert_fusion, encode_by_file
from export.corpora.emotions import EMOTIONS
from export.corpora.everything import Corpora, read_corpora
from export.corpora.utterances import make_vocabulary
from export.corpora.vote_matched import paired_steps
from export.evaluate.first_metrics import Files, calibrated, encoder_metrics, fusion_metrics
from export.fit.fit_tables import CHECK_WINDOW_STEPS, NEIGHBOURS, fit_tables, standardised
from export.nets.encoders import Schedules, train_encoders
from export.nets.face import DIM
from export.nets.fusion import STATE_SIZES
from export.nets.fusion_training import fusion_examples, train_fusion

HOP_S = 0.5
MINIMUM_QUALITY = 0.3


@dataclass(frozen=True)
class Plan:
    """How long each part is trained. The default fits two cores; a test may ask for less."""

    encoders: Schedules = field(default_factory=Schedules)
    copies: int = 6
    fusion_epochs: int = 14
    fusion_batch: int = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-export train``."""
    parser.add_argument("--data", type=Path, required=True, help="folder with face/, speech/ and text/")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder; an older bundle is replaced")
    parser.add_argument("--name", default="default", help="the bundle's name (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides splits and training (default: %(default)s)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path.home() / ".cache" / "m3er-edge" / "export",
        help="features and encoders are kept here, by content: a stopped run goes on (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """``m3er-export train``."""
    check_target(args.out)
    corpora = read_corpora(args.data, args.cache, args.seed)
    train(corpora, args.out, args.name, args.cache, args.seed, Plan())
    print(f"Bundle: {args.out}\nScores and their protocol: {args.out / 'card.md'}")
    return 0


def train(corpora: Corpora, out: Path, name: str, cache: Path, seed: int, plan: Plan) -> None:
    """Train, fit, convert, score, write. Nothing half-written is ever left at `out`."""
    vocabulary = make_vocabulary(corpora.utterances["train"], _recogniser_words())
    encoders = train_encoders(corpora, vocabulary, cache, seed, plan.encoders)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        variants = convert_encoders(encoders, corpora, vocabulary, folder)
        encode = {v.net: encode_by_file(v, folder) for v in variants}
        matching, validation, test = (
            paired_steps(
                corpora.recordings[split],
                corpora.faces[split],
                corpora.utterances[split],
                encode,
                vocabulary,
                HOP_S,
                copies,
                seed + number,
            )
            for number, (split, copies) in enumerate((("matching", plan.copies), ("validation", 2), ("test", 2)))
        )
        tables, ridge = fit_tables(matching, validation, seed)
        fusion = train_fusion(
            fusion_examples(
                standardised(tables, matching),
                matching.present,
                matching.labels,
                ProxyTable(tables, NEIGHBOURS, ridge),
                tables.proxy_weight,
            ),
            plan.fusion_epochs,
            plan.fusion_batch,
            seed,
        )
        variants.append(convert_fusion(fusion, standardised(tables, validation), folder))
        files = Files({v.net: folder / Path(v.file).name for v in variants}, ridge)
        tables, unknown_below = calibrated(files, tables, validation)
        metrics = {
            **encoder_metrics(files, encoders, corpora, vocabulary),
            "fusion": fusion_metrics(files, tables, test),
            "unknown_below": unknown_below,
        }
        manifest = {
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
            "metrics": metrics,
        }
        write_bundle(out, folder, tables, vocabulary, card(name, metrics, variants), manifest)


def _recogniser_words() -> set[str]:
    """The words of the speech recogniser that is shipped: the text encoder must know each of them."""
    words = (VOSK_TINY_EN / "graph" / "words.txt").read_text(encoding="utf-8").splitlines()
    return {line.split()[0] for line in words if words_of(line.split()[0]) == [line.split()[0]]}
