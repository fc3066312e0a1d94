"""``m3er-export bench``: what the device's step costs, against peers, against the core's limit, and as it grows."""

import argparse
import os
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path

import cv2
import torch

from edge.bench.bench import SAMPLE_CLIP, measure
from edge.bench.bench_table import print_bench
from edge.bench.progress import progress
from edge.bench.record import Bench
from edge.board import Board
from edge.bundle import DEFAULT, open_bundle
from edge.errors import M3erError
from edge.perceive.face_detector import open_detector
from export.bench.goals import goals, size_ratio
from export.bench.growth import growths
from export.bench.long_run import long_run_apart
from export.bench.page import write_page
from export.bench.record import Peer, WholeBench
from export.bundle_writer import commit
from export.evaluate.evaluation import write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-export bench``."""
    parser.add_argument("--bundle", type=Path, default=DEFAULT, help="with all variants (default: the one shipped)")
    parser.add_argument(
        "--data", type=Path, help="folder with peers/ (mini_XCEPTION, face-api); without it they are left out"
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for bench.json and bench.html")
    parser.add_argument("--steps", type=int, default=20_000, help="of the long run (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """``m3er-export bench``. All on one core; takes about four minutes."""
    for package in ("librosa", "opensmile"):
        if find_spec(package) is None:
            raise M3erError(f"{package} is not installed; make bench installs it, or: pip install 'm3er-edge[bench]'")
    begin = datetime.now(timezone.utc)
    board = measure(args.bundle, len(os.sched_getaffinity(0)), "cpu", None)
    print_bench(board)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core for everything that follows
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    whole = compare(board, args, begin)
    write_whole(args.out / "bench.json", whole.model_dump_json(indent=1) + "\n")
    write_page(whole, args.out / "bench.html")
    words = {True: "reached", False: "missed ", None: "open   "}
    for goal in whole.goals:
        print(f"{words[goal.reached]}  {goal.what}: {goal.measured} (asked: {goal.asked})")
    print(f"Measured: {args.out / 'bench.json'}\nPage: {args.out / 'bench.html'}")
    return 0


def compare(board: Bench, args: argparse.Namespace, begin: datetime) -> WholeBench:
    """Everything beside what the board itself measures."""
    from export.bench import limit, peers
    from export.bench.log_mel_peers import log_mels

    bundle = open_bundle(args.bundle)
    chosen = Board(nets=board.choice)
    detector = open_detector(None)
    left_out: list[str] = []
    found: list[Peer] = []
    with progress(8) as done:
        if args.data is not None and (args.data / "peers" / peers.MINI_XCEPTION).is_file():
            found += peers.whole_step(bundle, chosen, SAMPLE_CLIP, detector, args.data / "peers")
            done("face encoders")
            found += peers.face_encoders(bundle, args.data / "peers")
        else:
            left_out.append("the script that people write, and other face nets: --data DIR/peers does not hold them")
        done("log-mel")
        found += log_mels(SAMPLE_CLIP)
        done("check and proxy")
        found += peers.check_and_proxy(bundle)
        done("fusion")
        found += peers.fusion(bundle, chosen)
        done("the core's limit")
        peaks, reached, copied = limit.limits(bundle)
        where = limit.where(bundle)
        done("growth")
        growth = growths(bundle, chosen, SAMPLE_CLIP, detector)
        done(f"{args.steps} steps")
        long = long_run_apart(args.bundle, args.steps)
        done("")
    return WholeBench(
        made=begin.isoformat(timespec="seconds"),
        commit=commit(),
        command="make bench",
        board=board,
        size_ratio=size_ratio(bundle),
        goals=goals(board, bundle, found, long),
        peers=found,
        peaks=peaks,
        copy_gb_per_s=copied,
        reached=reached,
        where=where,
        growth=growth,
        long_run=long,
        left_out=left_out,
    )
