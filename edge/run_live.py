"""``m3er-edge run`` with a camera and a microphone: readings until it is told to stop."""

import argparse
import contextlib
import logging
import os
import signal
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from edge.board import Board, read_board
from edge.bundle import open_bundle
from edge.health import ServiceManager
from edge.live_runtime import open_live
from edge.log import LogThread
from edge.memory import MOST_EVER, resident_mb
from edge.models.find import named_or_best_speech_model
from edge.outputs import Outputs, show_on
from edge.publish.background import Background
from edge.publish.publisher import RECORDING
from edge.publish.timeline import draw_timeline
from edge.reading import Reading
from edge.record import Recorder
from edge.runtime import Runtime
from edge.worker import forbid_core_files, name_process

NONE = "none"
_TIMELINE_READINGS = 2400
"""A picture of a live run shows its last twenty minutes: memory must not grow."""
_LAST_WRITES_S = 0.4

_log = logging.getLogger(__name__)


def run_live(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C. No fault of a device ends it."""
    name_process("m3er-edge")
    forbid_core_files()
    log = LogThread()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    manager = ServiceManager()
    kept: deque[Reading] = deque(maxlen=_TIMELINE_READINGS if args.timeline is not None else 1)
    with ExitStack() as open_things:
        bundle = open_bundle(args.bundle)
        board = read_board(args.board) if args.board is not None else Board()
        model = None if args.stt_model == NONE else named_or_best_speech_model(args.stt_model)
        camera = None if args.camera == NONE else args.camera or "0"
        microphone = None if args.mic == NONE else args.mic or "default"
        out = Outputs(args, bundle.manifest.labels, bundle.manifest.hop_s, "live")
        places = [Background(place, name) for name, place in [*out.local, *out.remote]]
        open_things.callback(_close_all, places)
        # Ended before the last readings are written.
        live = open_things.enter_context(
            open_live(bundle, board, camera, microphone, model, args.face_model, args.check)
        )
        _log.info(
            "camera %s, microphone %s, words by %s, faces by %s%s; Ctrl-C ends it",
            *(camera or NONE, microphone or NONE, model.name if model and microphone else NONE, live.detector),
            f", page at {out.page.url}" if out.page is not None else "",
        )
        if args.record is not None:
            open_things.callback(Recorder(args.record, *live.devices.readers()).close)
        mark = f"{RECORDING}; " if args.record is not None else ""
        trouble = None
        watch = show_on(out.page) if out.page is not None and args.page_video else None
        for reading in live.readings(stop.is_set, watch):
            for place in places:
                place.publish(reading)
            kept.append(reading)
            if reading.sequence == 0:
                manager.ready()
            manager.alive()
            if (now := live.devices.trouble()) != trouble:
                trouble = now
                manager.status(mark + (trouble or "all devices give samples"))
        manager.stopping()
    if args.timeline is not None and kept:
        draw_timeline(list(kept), args.timeline, title="m3er-edge, live")
    log.finish(_LAST_WRITES_S)
    _last_words(_summary(args, live.runtime, live.detector, sum(place.dropped for place in places)))
    return 0


def _close_all(places: list[Background]) -> None:
    """At once: each may take its time, and not one after the other."""
    with ThreadPoolExecutor(len(places)) as threads:
        for place in places:
            threads.submit(place.close, _LAST_WRITES_S)


def _summary(args: argparse.Namespace, runtime: Runtime, detector: str, dropped: int) -> str:
    cost, duration_s = runtime.cost, (time.monotonic_ns() - runtime.began_ns) / 1e9
    lines = [f"{cost.steps} readings in {duration_s:.1f} s; faces by {detector}"]
    if cost.steps:
        lines.append(
            f"A step took {1e3 * cost.cpu_s / cost.steps:.2f} ms of the processor. "
            f"Resident memory at most {resident_mb(MOST_EVER):.0f} MB, without the workers."
        )
    if dropped:
        lines.append(f"{dropped} readings could not be written; the log says why.")
    named = (("Readings", args.jsonl), ("Timeline", args.timeline))
    return "\n".join([*lines, *(f"{what}: {path}" for what, path in named if path is not None)])


def _last_words(text: str) -> None:
    """Print; where the terminal takes nothing, end the process at once, as Python would wait for it."""

    def say() -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody reads any more, which was logged
            print(text, flush=True)

    speaker = threading.Thread(target=say, daemon=True)
    speaker.start()
    speaker.join(_LAST_WRITES_S)
    if speaker.is_alive():
        os._exit(0)
