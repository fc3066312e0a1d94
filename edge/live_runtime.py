"""A live run put together from its devices and its nets: the same for the command line and for Python."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.bundle import Bundle, open_bundle
from edge.cores import on_cores
from edge.live import LiveDevices, Watch, live_steps
from edge.m3er.check import Rule
from edge.method import Method
from edge.pace import PaceKeeper
from edge.perceive.decoder import tuned_model
from edge.perceive.face_detector import open_detector
from edge.reading import Reading
from edge.runtime import Runtime
from edge.settings.layers import Merged
from edge.settings.settings import Settings
from edge.update.live_bundle import LiveBundle
from edge.update.slots import Slots, state_folder


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
    pace: PaceKeeper
    live_bundle: LiveBundle | None = None

    def readings(self, stop: Callable[[], bool], watch: Watch | None = None) -> Generator[Reading, None, None]:
        """One every hop, as :func:`edge.live.live_steps` makes them, at a pace that this machine can keep."""
        step = None if self.live_bundle is None else partial(self.live_bundle.step, self.runtime)
        return live_steps(self.devices, self.runtime, self.pace, stop, watch, step)


def bundle_for_run(named: Path | None, merged: Merged, rule: Rule = "full") -> tuple[Bundle, LiveBundle | None]:
    """The bundle that is named, as it is; or else the installed one, and what keeps it up to date.

    Args:
        named: its folder.
        merged: the settings; the nets' threads keep to the run's cores.
        rule: the modality check's evidence.

    Raises:
        M3erError: it cannot be opened.
    """
    if named is not None:
        return open_bundle(named), None
    with on_cores(merged.settings.cores.run):
        live_bundle = LiveBundle(Slots(state_folder()), merged.settings_for, rule)
    return live_bundle.method.bundle, live_bundle


@contextmanager
def open_live(
    bundle: Bundle | LiveBundle,
    settings: Settings,
    camera: str | None,
    microphone: str | None,
    speech_model: Path | None,
    rule: Rule = "full",
) -> Iterator[LiveRuntime]:
    """Start the devices' workers and open the nets; at the end nothing of them is left.

    Args:
        bundle: an opened one; or the installed one, which is kept up to date.
        settings: all but the sources, the models of words and the outputs, which the caller has looked up.
        camera, microphone, speech_model: as :class:`edge.live.LiveDevices` wants them.
        rule: the modality check's evidence; of an installed bundle its own counts.

    Raises:
        M3erError: a net or the detector cannot be opened. What is wrong with a device stands in the readings.
    """
    with ExitStack() as open_things:
        tuned = None
        if speech_model is not None and microphone is not None:
            tuned = open_things.enter_context(tuned_model(speech_model, settings.speech.decoder))
        # Before the nets, which open meanwhile; and before this thread is kept on its cores, as workers have their own.
        devices = open_things.enter_context(LiveDevices(camera, microphone, speech_model, settings, tuned))
        open_things.enter_context(on_cores(settings.cores.run))
        detector = open_detector(None if settings.faces.model is None else Path(settings.faces.model))
        live_bundle = bundle if isinstance(bundle, LiveBundle) else None
        if live_bundle is not None:
            open_things.callback(live_bundle.close)
        method = Method(bundle, rule, settings) if isinstance(bundle, Bundle) else bundle.method
        runtime = Runtime(method, detector, devices.recogniser, settings=settings, began_ns=time.monotonic_ns())
        pace = PaceKeeper(method.bundle.manifest.hop_s, settings.pace)
        yield LiveRuntime(devices, runtime, detector.name, pace, live_bundle)
