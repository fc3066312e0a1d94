"""``m3er-export bundle``: encoders to files, tables and fusion fitted on pairs, scored, written whole or not at all."""

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.board import Board, read_board
from edge.bundle import Bundle, open_bundle
from edge.errors import M3erError
from edge.perceive.tokens import Vocabulary
from edge.reading import MODALITIES, Modality
from edge.update.commands import add_release_arguments
from edge.update.make_release import make_release, release_file
from export.board_bundle import write_board_bundle
from export.bundle_of_clips import bundle_of_clips
from export.bundle_writer import check_target
from export.card import VOTE_MATCHED
from export.convert.bundle_nets import convert_encoders, encode_file
from export.corpora.emotions import EMOTIONS
from export.corpora.everything import Corpora, read_corpora
from export.corpora.owned import read_owned
from export.corpora.vote_matched import Encode, paired_steps
from export.evaluate.evaluation import Figure
from export.evaluate.parts import part_answers, part_figures
from export.evaluate.whole_step import test_moments, whole_step_figures
from export.fuse import HOP_S, FusionPlan, Ingredients, fuse
from export.heads import HEADS, heads_file
from export.nets.devices import ONE_DEVICE, Devices
from export.nets.encoder import EMOTION
from export.nets.encoder_training import EncoderTask
from export.nets.encoders import Schedules, damage_examples
from export.options import add_data, add_devices, devices
from export.train import trained

_STRANGE = 1_000
"""Strange but sound validation inputs a modality: hardly one of them may count as damaged."""

DEFAULT_BUNDLE = Path(__file__).parent.parent / "edge" / "bundles" / "default"


@dataclass(frozen=True)
class Plan:
    """How long each part is trained. The default fits two cores; a test may ask for less."""

    encoders: Schedules = field(default_factory=Schedules)
    copies: int = 6
    fusion: FusionPlan = field(default_factory=FusionPlan)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-export bundle``."""
    add_data(parser, required=False)
    add_devices(parser)
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder; an older bundle is replaced")
    parser.add_argument("--name", default="default", help="the bundle's name (default: %(default)s)")
    parser.add_argument(
        "--for",
        dest="board",
        metavar="NAME|FILE",
        help="a board's profile: write only the files that it chose (see m3er-edge bench)",
    )
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        default=DEFAULT_BUNDLE,
        metavar="BUNDLE",
        help="with --for and without --data: the bundle to take them from (default: the one that comes with this "
        "program)",
    )
    parser.add_argument(
        "--encoders",
        type=Path,
        default=DEFAULT_BUNDLE,
        help="where --data holds clips of your own (or IEMOCAP, MELD): the bundle whose encoders are used, as they "
        "are (default: the one that comes with this program)",
    )
    add_release_arguments(parser, "--sign", required=False)


def run(args: argparse.Namespace) -> int:
    """``m3er-export bundle``."""
    check_target(args.out)
    if (args.key is None) != (args.version is None):
        raise M3erError("--sign and --version: give both, for a release, or neither")
    if args.key is not None:
        from edge.update.signature import read_private_key  # slow to import

        read_private_key(args.key)  # before hours of work
    board = None if args.board is None else read_board(args.board)
    if args.data is None and board is None:
        raise M3erError("give --data, to make a bundle, or --for BOARD, to pick a board's files from one")
    if args.data is None:
        write_board_bundle(open_bundle(args.source), board or Board(), args.out)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            whole = args.out if board is None else Path(scratch) / "whole"
            _make(args, whole)
            if board is not None:
                write_board_bundle(open_bundle(whole), board, args.out)
    if args.key is not None:
        name = release_file(open_bundle(args.out).manifest.name, args.version)
        release = make_release(args.out, args.key, args.version, args.boards, args.out.with_name(name))
        print(f"Release: {release}")
    print(f"Bundle: {args.out}\nScores and their protocol: {args.out / 'card.md'}")
    return 0


def _make(args: argparse.Namespace, out: Path) -> None:
    owned = read_owned(args.data)
    if owned is None:
        corpora = read_corpora(args.data, args.cache, args.seed)
        make_bundle(corpora, out, args.name, args.cache, args.seed, Plan(), devices(args))
    else:
        bundle_of_clips(*owned, args.encoders, out, args.name, args.cache, args.seed, FusionPlan())


def make_bundle(
    corpora: Corpora, out: Path, name: str, cache: Path, seed: int, plan: Plan, devices: Devices = ONE_DEVICE
) -> None:
    """Train (or take from the cache), convert, fit, score, write. Nothing half-written is ever left at `out`."""
    vocabulary, encoders = trained(corpora, cache, seed, plan.encoders, devices)
    with tempfile.TemporaryDirectory() as scratch:
        nets = Path(scratch)
        variants = convert_encoders(encoders, corpora, vocabulary, nets)
        first = {v.net: v for v in reversed(variants)}  # tables are fitted on what a device runs unless told otherwise
        encode = {name: encode_file(nets / Path(v.file).name) for name, v in first.items()}
        matching, validation = (
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
            for number, (split, copies) in enumerate((("matching", plan.copies), ("validation", 2)))
        )
        made_of = Ingredients(
            labels=EMOTIONS,
            nets=nets,
            encoders=variants,
            ruin=_ruin_detectors(encoders),
            strange={m: _strange(m, corpora, vocabulary, encode[m], seed) for m in MODALITIES},
            vocabulary=vocabulary,
            beside={HEADS: heads_file(encoders)},
            matching=matching,
            validation=validation,
            story=VOTE_MATCHED,
        )
        fuse(made_of, out, name, seed, plan.fusion, lambda bundle: figures_of(bundle, corpora, seed))


def figures_of(bundle: Bundle, corpora: Corpora, seed: int) -> list[Figure]:
    """What card.md and metrics.json tell: each encoder alone, and the whole step."""
    moments, people = test_moments(bundle, corpora, seed)
    return [
        *part_figures(part_answers(bundle, corpora)),
        *whole_step_figures(bundle, "vote-matched pairs", moments, people),
    ]


def _strange(
    modality: Modality, corpora: Corpora, vocabulary: Vocabulary, encode: Encode, seed: int
) -> NDArray[np.float32]:
    made_from = damage_examples(modality, corpora, vocabulary, "validation")
    rng = np.random.default_rng(seed)
    return encode(made_from.sound(rng.integers(made_from.size, size=_STRANGE), rng))


def _ruin_detectors(encoders: Mapping[Modality, EncoderTask]) -> dict[Modality, NDArray[np.float32]]:
    return {
        m: np.concatenate([np.zeros(EMOTION), task.ruin.weight.detach()[0], task.ruin.bias.detach()]).astype(np.float32)
        for m, task in encoders.items()
    }
