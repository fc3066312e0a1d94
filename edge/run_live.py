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

from edge.health import ServiceManager
from edge.live_runtime import LiveRuntime, bundle_for_run, open_live
from edge.log import LogThread
from edge.memory import MOST_EVER, resident_mb
from edge.models.find import find_speech_model
from edge.outputs import Outputs, show_on
from edge.publish.background import Background
from edge.publish.publisher import RECORDING
from edge.publish.timeline import draw_timeline
from edge.reading import Reading
from edge.record import Recorder
from edge.runtime import Runtime
from edge.settings.layers import Merged
from edge.settings.problems import hidden
from edge.settings.settings import NONE
from edge.worker import forbid_core_files, name_process

_TIMELINE_READINGS = 2400
"""A picture of a live run shows its last twenty minutes: memory must not grow."""
_LAST_WRITES_S = 0.4

_log = logging.getLogger(__name__)


def run_live(args: argparse.Namespace, merged: Merged) -> int:
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
        bundle, live_bundle = bundle_for_run(args.bundle, merged, args.check)
        settings = merged.settings_for(bundle)
        model = None if settings.speech.model == NONE else find_speech_model(settings.speech.model)
        camera = None if settings.camera.source == NONE else settings.camera.source
        microphone = None if settings.microphone.source == NONE else settings.microphone.source
        out = Outputs(args, bundle.manifest.labels, bundle.manifest.hop_s, "live")
        places = [Background(place, name) for name, place in [*out.local, *out.remote]]
        open_things.callback(_close_all, places)
        # Ended before the last readings are written.
        live = open_things.enter_context(
            open_live(live_bundle or bundle, settings, camera, microphone, model, args.check)
        )
        _log.info("board: %s", merged.board_in_words)
        _log.info(
            "camera %s, microphone %s, words by %s, faces by %s%s; Ctrl-C ends it",
            *(hidden(camera or NONE), microphone or NONE, model.name if model and microphone else NONE, live.detector),
            f", page at {out.page.url}" if out.page is not None else "",
        )
        if args.record is not None:
            open_things.callback(Recorder(args.record, *live.devices.readers()).close)
        status = ""
        watch = show_on(out.page) if out.page is not None and args.page_video else None
        for reading in live.readings(stop.is_set, watch):
            for place in places:
                place.publish(reading)
            kept.append(reading)
            if reading.sequence == 0:
                manager.ready()
            manager.alive()
            if (now := _status(live, args.record is not None)) != status:
                status = now
                manager.status(status)
        manager.stopping()
    if args.timeline is not None and kept:
        draw_timeline(list(kept), args.timeline, title="m3er-edge, live")
    log.finish(_LAST_WRITES_S)
    _last_words(_summary(args, live.runtime, live.detector, sum(place.dropped for place in places)))
    if live_bundle is not None and live_bundle.at_work:
        os._exit(0)
    return 0


def _status(live: LiveRuntime, recording: bool) -> str:
    """One line for the service manager."""
    parts = [RECORDING] if recording else []
    parts.append(live.devices.trouble() or "all devices give samples")
    if live.live_bundle is not None and live.live_bundle.says:
        parts.append(live.live_bundle.says)
    return "; ".join(parts)


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
