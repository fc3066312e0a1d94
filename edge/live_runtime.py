"""A live run put together from its devices and its nets: the same for the command line and for Python."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.board import Board
from edge.bundle import Bundle
from edge.live import LiveDevices, Watch, live_steps
from edge.m3er.check import Rule
from edge.pace import PaceKeeper
from edge.perceive.face_detector import open_detector
from edge.reading import Reading
from edge.runtime import Runtime


@dataclass(frozen=True)
class LiveRuntime:
    """Devices that are being opened, and a runtime that is ready to step.

    Attributes:
        detector: what finds the faces, by its name.
    """

    devices: LiveDevices
    runtime: Runtime
    detector: str
    hop_s: float

    def readings(self, stop: Callable[[], bool], watch: Watch | None = None) -> Generator[Reading, None, None]:
        """One every hop, as :func:`edge.live.live_steps` makes them, at a pace that this machine can keep."""
        return live_steps(self.devices, self.runtime, PaceKeeper(self.hop_s), stop, watch)


@contextmanager
def open_live(
    bundle: Bundle,
    board: Board,
    camera: str | None,
    microphone: str | None,
    speech_model: Path | None,
    face_model: Path | None = None,
    rule: Rule = "full",
) -> Iterator[LiveRuntime]:
    """Start the devices' workers and open the nets; at the end nothing of them is left.

    Args:
        camera, microphone, speech_model: as :class:`edge.live.LiveDevices` wants them.
        face_model: a YuNet; None: the best detector at hand.
        rule: the modality check's evidence.

    Raises:
        M3erError: a net or the detector cannot be opened. What is wrong with a device stands in the readings.
    """
    with LiveDevices(camera, microphone, speech_model) as devices:  # before the nets, which open meanwhile
        detector = open_detector(face_model)
        runtime = Runtime(bundle, detector, devices.recogniser, rule, board, began_ns=time.monotonic_ns())
        yield LiveRuntime(devices, runtime, detector.name, bundle.manifest.hop_s)
