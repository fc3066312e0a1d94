"""``m3er-edge bench``: what each net in each variant costs on this board, and which to choose."""

import argparse
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import get_args

import cv2

from edge.bench.bench_table import print_bench
from edge.bench.machine import this_machine
from edge.bench.net_times import choose, time_net
from edge.bench.progress import progress
from edge.bench.record import Bench, StepTime
from edge.bench.start import time_start
from edge.bench.step_times import time_media, time_steps
from edge.board import Board, board_file, read_board, write_choices
from edge.bundle import NETS, open_bundle
from edge.engines.engine import Provider
from edge.errors import M3erError
from edge.perceive.face_detector import open_detector
from edge.publish.target import check_writable
from edge.settings.layers import merge_settings
from edge.update.slots import bundle_in_use

SAMPLE_CLIP = Path(__file__).parent.parent / "samples" / "clip.mp4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-edge bench``."""
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="trained model (default: the one installed, else the one shipped)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="each net is timed on one thread and on so many (default: the cores of this board, %(default)s)",
    )
    parser.add_argument(
        "--provider",
        choices=get_args(Provider),
        default="cpu",
        help="what onnxruntime should run on, if it can (default: %(default)s)",
    )
    parser.add_argument("--face-model", type=Path, metavar="FILE", help="YuNet, as for run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--board", metavar="NAME|FILE.toml", help="the profile that --write sets")
    parser.add_argument("--write", action="store_true", help="set the profile's nets to what was fastest")


def run(args: argparse.Namespace) -> int:
    """``m3er-edge bench``. What is to be written is checked before anything is measured."""
    cv2.setNumThreads(1)
    if args.threads < 1:
        raise M3erError(f"--threads {args.threads}: give at least 1")
    if args.write and args.board is None:
        raise M3erError("--write: name the profile to write with --board, e.g. --board my-robot.toml")
    if args.json is not None:
        check_writable(args.json, "bench")
    if args.write:
        profile = board_file(args.board)
        check_writable(profile, "board profile")
        if profile.exists():
            read_board(args.board)
    faces = args.face_model or merge_settings().settings.faces.model
    bench = measure(args.bundle or bundle_in_use(), args.threads, args.provider, None if faces is None else Path(faces))
    print_bench(bench)
    if args.json is not None:
        args.json.write_text(bench.model_dump_json(indent=1) + "\n", encoding="utf-8")
        print(f"Measured: {args.json}")
    if args.write:
        write_choices(profile, bench.choice, f"{bench.made}, {bench.machine.name}, bundle {bench.bundle[:30]}")
        print(f"Board profile: {profile}\nUse it: m3er-edge run --board {args.board} …")
    return 0


def quietest(windows: Sequence[StepTime]) -> StepTime:
    """Of the same measurement at times that lie seconds apart: what another process takes is not this one's cost.

    A shared machine has moods that outlast any number of rounds; the loudest window's median is kept beside.
    """
    least = min(windows, key=lambda one: one.cpu_us)
    return least.model_copy(update={"cpu_loudest_us": max(one.cpu_us for one in windows)})


def measure(
    folder: Path,
    threads: int,
    provider: Provider,
    face_model: Path | None,
    rounds: int = 30,
    round_s: float = 0.01,
    starts: int = 5,
    warm_up_s: float = 6.0,
) -> Bench:
    """Everything; takes about a minute.

    Args:
        threads: each net is timed on one and on so many.
        rounds, round_s: so often each call has its turn, and so long.
        starts: of ``m3er-edge run``, with and without the speech model.
        warm_up_s: the core is kept busy for so long before a step is timed.
    """
    bundle = open_bundle(folder)
    detector = open_detector(face_model)
    with progress(len(NETS) + 8) as now:
        nets = []
        for name in NETS:
            nets += time_net(bundle, name, sorted({1, threads}), provider, rounds, round_s)
            now(f"nets: {name}")
        choice = choose(nets)
        board = Board(nets=choice)
        steps, media, apart = [], [], []
        for speech_model in (False, True, None):
            steps.append(time_steps(bundle, board, SAMPLE_CLIP, rounds, warm_up_s))
            now("a step")
            media.append(time_media(bundle, board, SAMPLE_CLIP, detector))
            now("sound and pictures")
            if speech_model is not None:
                apart.append(time_start(folder, None, SAMPLE_CLIP, speech_model, starts))
                now("start")
    return Bench(
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        machine=this_machine(),
        bundle=bundle.id,
        nets=nets,
        choice=choice,
        steps=[quietest(part) for part in zip(*steps, strict=True)],
        media=min(media, key=lambda one: one.share_of_core),
        starts=apart,
    )
