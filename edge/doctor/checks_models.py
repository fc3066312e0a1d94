"""Does every model open and answer: the bundle, its nets on their engines, the face detector, the speech model.

Those that load libraries of others are run in processes of their own (:func:`edge.doctor.checks.apart`), so they
take and give plain values.
"""

import logging
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge.bundle import NETS, open_bundle
from edge.doctor.checks import Finding, from_error
from edge.doctor.checks_settings import settings_for_board
from edge.errors import M3erError
from edge.models import VOSK_TINY_EN
from edge.models.find import find_speech_model
from edge.settings.settings import NONE

_LARGER_MODEL = (
    "for people who talk freely: m3er-edge models fetch vosk-model-small-en-us-0.15, then run with --stt-model "
    "vosk-model-small-en-us-0.15"
)


def check_bundle(folder: str) -> Sequence[Finding]:
    """Every file there, unaltered and well-formed."""
    try:
        bundle = open_bundle(Path(folder))
    except M3erError as error:
        return [from_error("bundle", error)]
    files = len(bundle.manifest.files)
    return [Finding("bundle", "ok", f"{bundle.id[:24]}…, {files} files, all checksums hold")]


def check_nets(folder: str, board_name: str) -> Sequence[Finding]:
    """Each net opens and answers as the settings, with this board (``""``: as found), want to run it."""
    from edge.nets import chosen, open_net

    warnings = _Collector()
    logging.getLogger("edge").addHandler(warnings)
    try:
        bundle = open_bundle(Path(folder))
    except M3erError:
        return [Finding("nets", "fault", "not tried, as the bundle does not open", "mend the bundle first")]
    try:
        settings = settings_for_board(board_name).settings_for(bundle)
    except M3erError:
        return [Finding("nets", "fault", "not tried, as the settings are malformed", "mend the settings first")]
    findings: list[Finding] = []
    good: dict[str, list[str]] = {}
    for name in NETS:
        try:
            engine = open_net(bundle, name, settings)
            good.setdefault(f"{engine.name} {chosen(bundle, name, settings)[0].precision}", []).append(name)
        except M3erError as error:
            findings.append(from_error(f"net {name}", error))
        except ImportError as error:
            do = "pip install onnxruntime ai-edge-litert, or choose another engine in the board's profile"
            findings.append(Finding(f"net {name}", "fault", f"its engine does not load ({error})", do))
    for said in warnings.lines:  # a provider that is not there
        findings.append(from_error("provider", M3erError(said), "warning"))
    if good:
        said = "; ".join(f"{', '.join(names)} on {where}" for where, names in good.items())
        findings.insert(0, Finding("nets", "ok", said))
    return findings


def check_onnxruntime() -> Sequence[Finding]:
    """The engine of ``.onnx`` files, and what it can run on."""
    try:
        import onnxruntime
    except ImportError as error:
        do = "pip install onnxruntime; needed only where the board's profile asks for it"
        return [Finding("onnxruntime", "warning", f"does not load ({error})", do)]
    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    providers = [name for name in providers if name != "Azure"]  # in every build, and of no use without a network
    return [Finding("onnxruntime", "ok", f"{onnxruntime.__version__}, runs on {', '.join(providers)}")]


def check_litert() -> Sequence[Finding]:
    """The engine of ``.tflite`` files, or its forerunner."""
    from edge.engines import litert_engine

    package = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}.get(litert_engine.RUNTIME)
    if package is None:
        do = "pip install ai-edge-litert; needed only where the board's profile asks for it"
        return [Finding("litert", "warning", "not installed", do)]
    try:
        return [Finding("litert", "ok", f"{package} {version(package)}")]
    except PackageNotFoundError:
        return [Finding("litert", "ok", f"{package}, of unknown version")]


def check_face_detector(model: str) -> Sequence[Finding]:
    """YuNet, or the last resort."""
    from edge.perceive.face_detector import open_detector

    warnings = _Collector()
    logging.getLogger("edge").addHandler(warnings)
    try:
        detector = open_detector(Path(model) if model else None)
    except M3erError as error:
        return [from_error("face detector", error)]
    findings = [from_error("face detector", M3erError(said), "warning") for said in warnings.lines]
    if detector.name == "yunet":
        return [*findings, Finding("face detector", "ok", "YuNet")]
    do = "fetch YuNet: m3er-edge models fetch yunet"
    said = "Haar, which misses more faces and costs five times as much"
    return [*findings, Finding("face detector", "warning", said, do)]


def check_speech_model(model: str) -> Sequence[Finding]:
    """A recogniser can be made of it. It may be slow to load, so it has a process and a time of its own."""
    if model == NONE:
        return [Finding("speech model", "ok", "none wanted: face and voice alone")]
    try:
        folder = find_speech_model(model)
        from edge.perceive.speech_model import load_model
        from edge.perceive.speech_to_text import SpeechToText

        with closing(SpeechToText(load_model(folder, trusted=folder == VOSK_TINY_EN))):
            pass
    except ImportError as error:
        do = "pip install vosk; on aarch64 also: sudo apt install libatomic1"
        return [Finding("speech model", "fault", f"Vosk does not load ({error})", do)]
    except M3erError as error:
        return [from_error("speech model", error)]
    if folder == VOSK_TINY_EN:
        return [
            Finding("speech model", "ok", "vosk-tiny-en works; it knows 145 words, enough for trials", _LARGER_MODEL)
        ]
    return [Finding("speech model", "ok", f"{folder.name} works")]


class _Collector(logging.Handler):
    """The warnings of our own code, which would else be lost in the child's stderr."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
