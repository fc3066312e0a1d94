"""``m3er-edge replay``: a readings file once more, as a picture or at the pace of life."""

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from itertools import pairwise
from pathlib import Path
from statistics import median

from edge.errors import M3erError
from edge.outputs import add_page_arguments, open_page
from edge.publish.json_lines import read_readings
from edge.publish.publisher import Publisher
from edge.publish.target import check_writable
from edge.publish.terminal import Terminal
from edge.publish.timeline import draw_timeline
from edge.reading import Reading


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-edge replay``."""
    parser.add_argument("readings", type=Path, metavar="READINGS.jsonl", help="a file that a run wrote")
    parser.add_argument(
        "--timeline", type=Path, metavar="FILE.png", help="draw the run as a picture, and show it only with --speed"
    )
    parser.add_argument("--speed", type=float, metavar="TIMES", help="how much faster than life (default: 1)")
    add_page_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Show the file's last run, or draw it."""
    speed = 1.0 if args.speed is None else args.speed
    if not speed > 0:
        raise M3erError(f"--speed {speed:g}: must be above 0; 2 is twice as fast as life")
    if args.timeline is not None:
        check_writable(args.timeline, "timeline")
        if args.timeline.exists() and args.readings.exists() and args.timeline.samefile(args.readings):
            raise M3erError(f"{args.timeline}: is the readings file itself; name another file to draw")
    runs = runs_of(read_readings(args.readings))
    if not runs:
        raise M3erError(f"{args.readings}: holds no reading; give a file that a run wrote")
    readings = runs[-1]
    if len(runs) > 1:
        print(f"{args.readings} holds {len(runs)} runs; this is the last, from {readings[0].time}")
    if args.timeline is not None:
        draw_timeline(readings, args.timeline, title=f"m3er-edge: {args.readings.name}")
        print(f"Timeline: {args.timeline}")
    if args.timeline is None or args.speed is not None or args.page is not None:
        _show(args, readings, speed)
    return 0


def _show(args: argparse.Namespace, readings: list[Reading], speed: float) -> None:
    """On the terminal and, if it is asked for, on the page, which stays until Ctrl-C."""
    labels = tuple(readings[0].probabilities)
    hop_s = median(b.t - a.t for a, b in pairwise(readings)) if len(readings) > 1 else 1.0
    with ExitStack() as open_things:
        publishers: list[Publisher] = []
        page = open_page(args, labels, max(hop_s, 1e-3) / speed, f"replay of {args.readings.name}")
        if page is not None:
            publishers.append(open_things.enter_context(closing(page)))
            print(f"Page: {page.url}")
        publishers.append(open_things.enter_context(closing(Terminal(labels, total_s=readings[-1].t))))
        replay(readings, publishers, speed)
        if page is not None:
            print("The page stays until Ctrl-C.")
            with suppress(KeyboardInterrupt):
                threading.Event().wait()


def runs_of(readings: Sequence[Reading]) -> list[list[Reading]]:
    """The runs of a file that several were added to, in order: with each, time begins anew."""
    runs: list[list[Reading]] = []
    for reading in readings:
        if not runs or reading.t < runs[-1][-1].t:
            runs.append([])
        runs[-1].append(reading)
    return runs


def replay(
    readings: Sequence[Reading],
    publishers: Sequence[Publisher],
    speed: float,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Hand the readings of one run to all publishers, as far apart as they were made.

    Args:
        readings: in order of time.
        publishers: which the caller closes.
        speed: 2 is twice as fast as life.
        wait: for so many seconds.

    Raises:
        M3erError: a publisher did not take a reading.
    """
    if not readings:
        return
    for reading, after in pairwise(readings):
        handed_s = _publish(reading, publishers)
        wait(max(0.0, (after.t - reading.t) / speed - handed_s))
    _publish(readings[-1], publishers)


def _publish(reading: Reading, publishers: Sequence[Publisher]) -> float:
    """How long it took (s)."""
    began_s = time.monotonic()
    for publisher in publishers:
        publisher.publish(reading)
    return time.monotonic() - began_s
