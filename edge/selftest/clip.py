"""The sample clip through the whole runtime, against the readings that it must give.

``edge/samples/clip.expected.json`` holds them, for the shipped model with OpenCV's Haar cascade and the shipped speech
model, which are there wherever this program is. ``m3er-export self-test`` writes it.
"""

import hashlib
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Literal

import cv2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bundle import NETS, TABLES, Bundle
from edge.capture.media_file import MediaFile
from edge.errors import M3erError
from edge.method import Method
from edge.models import VOSK_TINY_EN
from edge.nets import chosen
from edge.perceive.face_detector import HaarDetector
from edge.reading import MODALITIES, Reading
from edge.run import open_recogniser, steps
from edge.runtime import Runtime
from edge.settings.settings import Settings, Speech

CLIP = Path(__file__).parent.parent / "samples" / "clip.mp4"
EXPECTED = CLIP.with_suffix(".expected.json")

PROBABILITY_TOLERANCE = 0.05
"""With the same files of the nets. 0.018 was measured, x86-64 against Cortex-A53, A72 and A76: pictures are scaled with
other instructions, the nets answer the same."""
OTHER_FILES_TOLERANCE = 0.15
"""With others of the same nets, e.g. fp32 where the expected readings are of int8."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Probability = Annotated[float, Field(ge=0, le=1)]


class ExpectedReading(_Record):
    """What counts of one reading."""

    t: float = Field(description="seconds")
    emotion: str
    states: dict[str, str] = Field(description="live, proxy or absent, per modality")
    words: str
    probabilities: dict[str, Probability]


class Expected(_Record):
    """What the clip must give."""

    version: Literal[1]
    clip_sha256: str
    tables_sha256: str = Field(description="of the bundle: the model, whichever of its nets' files a board keeps")
    nets: dict[str, str] = Field(description="the files that these readings are of")
    readings: list[ExpectedReading] = Field(min_length=1)


class ClipResult(_Record):
    """How the clip's readings compare.

    Attributes:
        states_differ, emotions_differ, words_differ: readings in which something is otherwise.
        probability_difference: the greatest of all.
    """

    readings: int
    readings_expected: int
    states_differ: int
    emotions_differ: int
    words_differ: int
    probability_difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """The same states; probabilities within the tolerance; at the border of two classes the label may differ."""
        return (
            self.readings == self.readings_expected
            and not self.states_differ
            and self.probability_difference <= self.tolerance
        )

    def __str__(self) -> str:
        if self.readings != self.readings_expected:
            return f"{self.readings} readings, {self.readings_expected} are expected"
        return (
            f"{self.readings} readings; states differ in {self.states_differ}, emotions in {self.emotions_differ}, "
            f"words in {self.words_differ}, probabilities by {self.probability_difference:.2g} (at most "
            f"{self.tolerance:g})"
        )


class ClipRun(_Record):
    """What the clip gave here, and what it cost.

    Attributes:
        step_ms: of the processor, a step.
        share_of_core: of one core, at the speed of life: decoding, faces, words and steps.
    """

    readings: list[ExpectedReading]
    nets: dict[str, str]
    step_ms: float
    share_of_core: float


def run_clip(bundle: Bundle, settings: Settings, clip: Path = CLIP) -> ClipRun:
    """The clip as fast as it goes, with the Haar cascade and the shipped words. Raises M3erError as ``run`` does.

    Args:
        settings: how the nets run; of all else the defaults count, as every board must give the same readings.
    """
    cv2.setNumThreads(1)
    with ExitStack() as open_things:
        source = open_things.enter_context(MediaFile(clip))
        recogniser = open_recogniser(Speech(model=VOSK_TINY_EN.name))
        if recogniser is not None:
            open_things.enter_context(closing(recogniser))
        runtime = Runtime(Method(bundle, settings=settings), HaarDetector(), recogniser)
        begin_s = time.process_time()
        readings = [as_expected(reading) for reading in steps(source, runtime, recogniser, realtime=False)]
        cpu_s = time.process_time() - begin_s
    return ClipRun(
        readings=readings,
        nets=_files(bundle, settings),
        step_ms=1e3 * runtime.cost.cpu_s / runtime.cost.steps,
        share_of_core=cpu_s / max(readings[-1].t, 1e-3),
    )


def as_expected(reading: Reading) -> ExpectedReading:
    """The part of a reading that is compared."""
    return ExpectedReading(
        t=reading.t,
        emotion=reading.emotion,
        states={m: reading.modalities[m].state for m in MODALITIES},
        words=reading.transcript,
        probabilities=reading.probabilities,
    )


def compare(expected: Sequence[ExpectedReading], found: Sequence[ExpectedReading], tolerance: float) -> ClipResult:
    """Reading by reading, as far as both go."""
    pairs = list(zip(expected, found, strict=False))
    return ClipResult(
        readings=len(found),
        readings_expected=len(expected),
        states_differ=sum(e.states != f.states for e, f in pairs),
        emotions_differ=sum(e.emotion != f.emotion for e, f in pairs),
        words_differ=sum(e.words != f.words for e, f in pairs),
        probability_difference=max((_furthest(e.probabilities, f.probabilities) for e, f in pairs), default=1.0),
        tolerance=tolerance,
    )


def check_clip(bundle: Bundle, run: ClipRun) -> ClipResult:
    """Against the expected readings. Raises M3erError: there are none for this model."""
    expected = read_expected()
    if bundle.manifest.files[TABLES].sha256 != expected.tables_sha256:
        raise M3erError(f"{EXPECTED.name} is of the shipped model; {bundle.id} cannot be compared with it")
    same = run.nets == expected.nets
    return compare(expected.readings, run.readings, PROBABILITY_TOLERANCE if same else OTHER_FILES_TOLERANCE)


def read_expected(path: Path = EXPECTED, clip: Path = CLIP) -> Expected:
    """The readings that the clip must give. Raises M3erError where they are missing, malformed or of another clip."""
    try:
        expected = Expected.model_validate_json(path.read_bytes())
        if hashlib.sha256(clip.read_bytes()).hexdigest() != expected.clip_sha256:
            raise M3erError(f"{clip}: not the clip that {path.name} is of; install the program anew")
    except OSError as error:
        raise M3erError(f"{error.filename}: cannot be read ({error.strerror}); install the program anew") from None
    except ValidationError as error:
        raise M3erError(f"{path}: malformed ({error.errors()[0]['msg']}); install the program anew") from None
    return expected


def write_expected(bundle: Bundle, path: Path = EXPECTED, clip: Path = CLIP) -> None:
    """Store what the clip gives here. Only for the shipped bundle."""
    run = run_clip(bundle, Settings(), clip)
    expected = Expected(
        version=1,
        clip_sha256=hashlib.sha256(clip.read_bytes()).hexdigest(),
        tables_sha256=bundle.manifest.files[TABLES].sha256,
        nets=run.nets,
        readings=run.readings,
    )
    head = expected.model_dump_json(exclude={"readings"}).removesuffix("}")
    lines = ",\n".join(reading.model_dump_json() for reading in expected.readings)
    path.write_text(f'{head},"readings":[\n{lines}\n]}}\n', encoding="utf-8")


def _files(bundle: Bundle, settings: Settings) -> dict[str, str]:
    return {name: chosen(bundle, name, settings)[0].file for name in NETS}


def _furthest(a: dict[str, float], b: dict[str, float]) -> float:
    labels: Iterable[str] = a.keys() | b.keys()
    return max((abs(a.get(label, 0.0) - b.get(label, 0.0)) for label in labels), default=0.0)
