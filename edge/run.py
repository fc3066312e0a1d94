"""``m3er-edge run``: devices or a media file through the runtime, readings to the terminal, a file and a picture."""

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import cv2

from edge.board import Board, read_board
from edge.bundle import DEFAULT, open_bundle
from edge.capture.devices import print_devices
from edge.capture.media_file import MediaFile
from edge.capture.sample import AudioBlock, Frame
from edge.errors import M3erError
from edge.live import Watch
from edge.log import FORM_VARIABLE, start_logging
from edge.memory import MOST_EVER, resident_mb
from edge.models import VOSK_TINY_EN
from edge.models.find import find_speech_model
from edge.outputs import Outputs, add_output_arguments, check_outputs, show_on
from edge.perceive.face_detector import open_detector
from edge.perceive.recogniser import Recogniser
from edge.publish.background import Background
from edge.publish.publisher import Publisher
from edge.publish.timeline import TruthSpan, draw_timeline
from edge.quiet import quiet_opencv
from edge.reading import Reading
from edge.run_live import NONE, run_live
from edge.runtime import Runtime, StepCost

_LAST_READINGS_S = 10.0
"""How long a file's last readings may take to their places."""
_LAST_WORDS_S = 30.0
"""How long a file waits for the recogniser before a step; a live run never waits."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-edge run``."""
    parser.add_argument(
        "--camera",
        metavar="SOURCE",
        help="a number, a path, a URL, a GStreamer pipeline, picamera2, or none (default: 0)",
    )
    parser.add_argument(
        "--mic", metavar="SOURCE", help="default, a number, a piece of its name, or none (default: default)"
    )
    parser.add_argument("--list-devices", action="store_true", help="say which cameras and microphones there are")
    parser.add_argument("--input", type=Path, metavar="CLIP", help="a media file instead: video, sound or both")
    parser.add_argument("--realtime", action="store_true", help="a file as fast as life, not as fast as it can")
    parser.add_argument(
        "--bundle",
        type=Path,
        default=DEFAULT,
        metavar="DIR",
        help="trained model (default: the one shipped)",
    )
    parser.add_argument(
        "--board",
        metavar="NAME|FILE",
        help="profile that says which engine and precision each net runs with; see m3er-edge bench (default: the "
        "first that the bundle lists)",
    )
    parser.add_argument(
        "--stt-model",
        metavar="NAME|DIR",
        help="Vosk model, see m3er-edge models; none: face and voice alone (default: live, an English one that was "
        "fetched; else vosk-tiny-en, 145 words)",
    )
    parser.add_argument(
        "--face-model", type=Path, metavar="FILE", help="YuNet; looked for in the usual places if omitted"
    )
    parser.add_argument(
        "--check",
        choices=("full", "correlation"),
        default="full",
        help="the modality check's evidence: all, or the paper's alone (default: %(default)s)",
    )
    add_output_arguments(parser)
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FOLDER",
        help="for developers: write picture and sound of the devices to files; off unless given",
    )
    parser.add_argument(
        "--log", choices=("text", "json"), help="how the log on stderr is written (default: M3ER_LOG, or text)"
    )


def run(args: argparse.Namespace) -> int:
    """Watch and listen until told to stop; or run a file from start to end."""
    if args.list_devices:
        print_devices()
        return 0
    if args.log is not None:
        os.environ[FORM_VARIABLE] = args.log  # for the workers, too
        start_logging()
    live = [name for name in ("camera", "mic") if getattr(args, name) is not None]
    if args.input is not None and live:
        raise M3erError(f"--input and --{live[0]}: name a file, or devices, not both")
    if args.realtime and args.input is None:
        raise M3erError("--realtime is for a file: name it with --input")
    if args.record is not None and args.input is not None:
        raise M3erError("--record is for devices; the file that --input names is a recording already")
    check_outputs(args)
    cv2.setNumThreads(1)  # small pictures: more threads cost more than they bring
    quiet_opencv()  # its lines would stand between the readings
    return run_live(args) if args.input is None else _run_file(args)


def _run_file(args: argparse.Namespace) -> int:
    """Nothing is written before the first reading is there."""
    readings: list[Reading] = []
    with ExitStack() as open_things:
        source = open_things.enter_context(MediaFile(args.input))
        bundle = open_bundle(args.bundle)
        board = read_board(args.board) if args.board is not None else Board()
        recogniser = open_recogniser(args.stt_model or VOSK_TINY_EN.name)
        if recogniser is not None:
            open_things.enter_context(closing(recogniser))
        detector = open_detector(args.face_model)
        runtime = Runtime(bundle, detector, recogniser, args.check, board)
        out = Outputs(args, bundle.manifest.labels, bundle.manifest.hop_s, args.input.name, source.duration_s)
        publishers: list[Publisher] = [open_things.enter_context(closing(place)) for _, place in out.local]
        for name, place in out.remote:
            background = Background(place, name)
            open_things.callback(background.close, _LAST_READINGS_S)
            publishers.append(background)
        begin_cpu = time.process_time()
        watch = show_on(out.page) if out.page is not None and args.page_video else None
        for reading in steps(source, runtime, recogniser, args.realtime, watch):
            readings.append(reading)
            for publisher in publishers:
                publisher.publish(reading)
        cpu_s = time.process_time() - begin_cpu
    _print_summary(args, readings, runtime.cost, cpu_s, detector.name, source.truncated)
    if args.timeline is not None:
        draw_timeline(readings, args.timeline, title=f"m3er-edge: {args.input.name}", truth=truth_beside(args.input))
    return 0


def open_recogniser(name_or_path: str | Path) -> Recogniser | None:
    """Vosk with a model; None for the model ``none``. Raises M3erError if it is not a usable model."""
    if str(name_or_path) == NONE:
        return None
    model = find_speech_model(str(name_or_path))
    from edge.perceive.speech_model import load_model  # Vosk takes a fifth of a second to import
    from edge.perceive.speech_to_text import SpeechToText

    return SpeechToText(load_model(model, trusted=model == VOSK_TINY_EN))


def steps(
    source: MediaFile,
    runtime: Runtime,
    recogniser: Recogniser | None,
    realtime: bool,
    watch: Watch | None = None,
) -> Iterator[Reading]:
    """Readings of a file: one a hop, and one at the end if the file is shorter than a hop.

    Args:
        realtime: wait for each sample's time, and never for the recogniser; else as fast as it can, and the
            recogniser has always heard what came before a step.
        watch: shown every picture.
    """
    began_ns = time.monotonic_ns()
    next_ns, heard_ns, last_ns, made = runtime.hop_ns, -1, 0, 0

    def step(at_ns: int) -> Reading:
        if recogniser is not None and not realtime and heard_ns >= 0:
            if recogniser.wait_until_heard(heard_ns, _LAST_WORDS_S):
                return runtime.step(at_ns)
            raise M3erError(
                f"speech recognition is stuck: nothing heard for {_LAST_WORDS_S:.0f} s; try another --stt-model"
            )
        return runtime.step(at_ns)

    for sample in source.samples():
        while sample.captured_ns > next_ns:
            yield step(next_ns)
            made += 1
            next_ns += runtime.hop_ns
        if realtime:
            time.sleep(max(0, sample.captured_ns - (time.monotonic_ns() - began_ns)) / 1e9)
        runtime.take(sample)
        if watch is not None and isinstance(sample, Frame):
            watch(sample, runtime.face_box)
        last_ns = sample.captured_ns
        if isinstance(sample, AudioBlock):
            heard_ns = sample.captured_ns
    if not made or last_ns >= next_ns:
        yield step(min(next_ns, max(last_ns, 1)))


def truth_beside(clip: Path) -> list[TruthSpan] | None:
    """What a clip of ours says about itself, for the picture alone: ``clip.truth.json`` beside ``clip.mp4``."""
    path = clip.with_suffix(".truth.json")
    if not path.is_file():
        return None
    segments = json.loads(path.read_text(encoding="utf-8"))["segments"]
    return [TruthSpan(s["start_s"], s["end_s"], _what_fails(s["face"], s["speech"])) for s in segments]


def _what_fails(face: str, speech: str) -> str:
    """A segment in a few words: ``all good``, ``face covered``, ``camera black``, ``voice drowned``, ``silence``."""
    faults = [] if face == "good" else [f"{'face' if face == 'covered' else 'camera'} {face}"]
    faults += [] if speech == "good" else ["silence" if speech == "silent" else f"voice {speech}"]
    return ", ".join(faults) or "all good"


def _print_summary(
    args: argparse.Namespace, readings: list[Reading], cost: StepCost, cpu_s: float, detector: str, truncated: bool
) -> None:
    duration_s = max(readings[-1].t, 1e-3)
    print(
        f"{len(readings)} readings of {duration_s:.1f} s; faces by {detector}"
        + (" (file breaks off)" if truncated else "")
    )
    print(
        f"A step took {1e3 * cost.cpu_s / cost.steps:.2f} ms, {cost.cpu_s / duration_s:.2%} of one core; "
        f"with decoding, face detection and "
        f"speech recognition {cpu_s / duration_s:.1%}. Resident memory at most {resident_mb(MOST_EVER):.0f} MB."
    )
    for what, path in (("Readings", args.jsonl), ("Timeline", args.timeline)):
        if path is not None:
            print(f"{what}: {path}")
