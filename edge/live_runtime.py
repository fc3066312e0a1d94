"""A live run put together from its devices and its nets: the same for the command line and for Python."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.board import Board
from edge.bundle import Bundle
from edge.live import LiveDevices, Watch, live_steps
from edge.m3er.check import Rule
from edge.method import Method
from edge.pace import PaceKeeper
from edge.perceive.face_detector import open_detector
from edge.reading import Reading
from edge.runtime import Runtime
from edge.update.live_bundle import LiveBundle


@dataclass(frozen=True)
class LiveRuntime:
    """Devices that are being opened, and a runtime that is ready to step.

    Attributes:
        detector: what finds the faces, by its name.
        live_bundle: keeps the bundle up to date; None: it is what it is.
    """

    devices: LiveDevices
    runtime: Runtime
    detector: str
    hop_s: float
    live_bundle: LiveBundle | None = None

    def readings(self, stop: Callable[[], bool], watch: Watch | None = None) -> Generator[Reading, None, None]:
        """One every hop, as :func:`edge.live.live_steps` makes them, at a pace that this machine can keep."""
        step = None if self.live_bundle is None else partial(self.live_bundle.step, self.runtime)
        return live_steps(self.devices, self.runtime, PaceKeeper(self.hop_s), stop, watch, step)


@contextmanager
def open_live(
    bundle: Bundle | LiveBundle,
    board: Board,
    camera: str | None,
    microphone: str | None,
    speech_model: Path | None,
    face_model: Path | None = None,
    rule: Rule = "full",
) -> Iterator[LiveRuntime]:
    """Start the devices' workers and open the nets; at the end nothing of them is left.

    Args:
        bundle: an opened one; or the installed one, which is kept up to date.
        board, rule: which engine and precision each net runs with, and the modality check's evidence; of `bundle`
            where it is a :class:`edge.update.live_bundle.LiveBundle`.
        camera, microphone, speech_model: as :class:`edge.live.LiveDevices` wants them.
        face_model: a YuNet; None: the best detector at hand.

    Raises:
        M3erError: a net or the detector cannot be opened. What is wrong with a device stands in the readings.
    """
    with LiveDevices(camera, microphone, speech_model) as devices:  # before the nets, which open meanwhile
        detector = open_detector(face_model)
        live_bundle = bundle if isinstance(bundle, LiveBundle) else None
        method = Method(bundle, rule, board) if isinstance(bundle, Bundle) else bundle.method
        runtime = Runtime(method, detector, devices.recogniser, began_ns=time.monotonic_ns())
        yield LiveRuntime(devices, runtime, detector.name, method.bundle.manifest.hop_s, live_bundle)
