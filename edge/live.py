"""A live run: workers for camera, microphone and words; a steady step, whatever becomes of them."""

import select
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from edge.capture.ring import Ring, RingReader
from edge.capture.ring_samples import block_of, frame_of
from edge.capture.sample import Frame, Sample
from edge.log import WorkerLog
from edge.pace import PaceKeeper
from edge.perceive.face_detector import FaceBox
from edge.perceive.speech_process import SpeechProcess
from edge.reading import Modality, Reading
from edge.runtime import Runtime
from edge.supervisor import Patience, Supervisor, Worker
from edge.worker import start_worker

_FRAME_BYTES, _FRAMES = 1280 * 1280 * 3, 6
_BLOCK_BYTES, _BLOCKS = 8192, 100
_OLDEST_FRAME_MS = 1000.0
_CAPTURE = "edge.capture.capture_worker"
_RECOGNISE = "edge.perceive.speech_worker"
_SPEECH_PATIENCE = Patience(open_s=150.0, hang_s=2.5, stall_s=None)
_LOOK_UP_S = 0.1
"""At least so often the loop sees whether it shall stop."""
_BLIND_S = 5.0


Watch = Callable[[Frame, FaceBox | None], None]


class LiveDevices:
    """Camera, microphone and recogniser, each in a process of its own, and what they have to say.

    Args:
        camera, microphone: what :mod:`edge.capture` calls them; None: there is none.
        speech_model: a Vosk model's folder; None: no words.
    """

    def __init__(self, camera: str | None, microphone: str | None, speech_model: Path | None) -> None:
        self.recogniser = SpeechProcess() if speech_model is not None and microphone is not None else None
        self._frames = Ring(_FRAME_BYTES, _FRAMES) if camera is not None else None
        self._blocks = Ring(_BLOCK_BYTES, _BLOCKS) if microphone is not None else None
        self._frame_reader = RingReader(self._frames) if self._frames is not None else None
        self._block_reader = RingReader(self._blocks) if self._blocks is not None else None
        self._sensors: tuple[tuple[Modality, str, Ring | None], ...] = (
            ("face", "camera", self._frames),
            ("speech", "microphone", self._blocks),
        )
        self._arrivals = select.poll()
        workers, self._log = [], WorkerLog()
        for name, source, ring in (("camera", camera, self._frames), ("microphone", microphone, self._blocks)):
            if ring is not None:
                self._arrivals.register(ring.event, select.POLLIN)
                settings = {"kind": name, "source": source or ""}
                workers.append(Worker(name, _starter(name, self._log, _CAPTURE, settings, ring), ring))
        if self.recogniser is not None:
            rings = (self.recogniser.sound, self.recogniser.words_ring)
            start = _starter("words", self._log, _RECOGNISE, {"model": str(speech_model)}, *rings)
            workers.append(Worker("words", start, self.recogniser.words_ring, _SPEECH_PATIENCE))
        self.supervisor = Supervisor(workers)

    def __enter__(self) -> "LiveDevices":
        self.supervisor.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.supervisor.stop()
        self._log.close()
        for worker in self.supervisor.workers:
            worker.ring.close()
        if self.recogniser is not None:
            self.recogniser.sound.close()

    def set_frame_rate(self, frame_rate_hz: float) -> None:
        """How many pictures a second are wanted at most."""
        if self._frames is not None:
            self._frames.interval_ns = round(1e9 / frame_rate_hz)

    def wait(self, until_ns: int) -> None:
        """Until a sample comes, or until then."""
        left_ms = max(0.0, (until_ns - time.monotonic_ns()) / 1e6)
        for event, _what in self._arrivals.poll(left_ms):
            for ring in (self._frames, self._blocks):
                if ring is not None and ring.event == event:
                    ring.take_event()

    def samples(self) -> Iterator[Sample]:
        """All new sound, and the newest picture: what was overtaken is not worth looking at."""
        if self._block_reader is not None:
            yield from map(block_of, self._block_reader.new())
        if self._frame_reader is not None:
            item = self._frame_reader.newest(_OLDEST_FRAME_MS)
            if item is not None:
                yield frame_of(item)

    def readers(self) -> tuple[RingReader | None, RingReader | None]:
        """For somebody else who wants all pictures and all sound from now on; None: there is no such device."""
        frames = RingReader(self._frames) if self._frames is not None else None
        return frames, RingReader(self._blocks) if self._blocks is not None else None

    def lost(self) -> dict[Modality, str]:
        """Which device gives nothing now, and why."""
        troubles: dict[Modality, str] = {}
        for modality, name, ring in self._sensors:
            trouble = None if ring is None else ring.trouble
            if ring is None:
                troubles[modality] = f"no {name}"
            elif trouble is not None:
                troubles[modality] = f"{name} {trouble}"
        return troubles

    def trouble(self) -> str:
        """In one line, for whoever watches the service; empty if all is well."""
        words = self.recogniser.trouble if self.recogniser is not None else None
        return ", ".join([*self.lost().values(), *([words] if words else [])])


def live_steps(
    devices: LiveDevices,
    runtime: Runtime,
    pace: PaceKeeper,
    stop: Callable[[], bool],
    watch: Watch | None = None,
) -> Generator[Reading, None, None]:
    """A reading every hop, on a grid of monotonic time, until `stop` says so. Never waits for a device.

    Steps that a stopped process has slept through are left out, not made up for.

    Args:
        watch: shown every picture that is looked at, with the face that is followed; must be quick.

    Raises:
        RuntimeError: the supervisor has died, which is a bug: the process must be started anew.
    """
    next_ns = runtime.began_ns + runtime.hop_ns
    waited_ns, last_ns = 0, time.monotonic_ns()
    devices.set_frame_rate(pace.pace.frame_rate_hz)
    while not stop():
        now_ns = time.monotonic_ns()
        if now_ns < next_ns:
            devices.wait(min(next_ns, now_ns + round(_LOOK_UP_S * 1e9)))
            waited_ns += time.monotonic_ns() - now_ns
        for sample in devices.samples():
            runtime.take(sample)
            if watch is not None and isinstance(sample, Frame):
                watch(sample, runtime.face_box)
        now_ns = time.monotonic_ns()
        if now_ns < next_ns:
            continue
        yield runtime.step(now_ns, devices.lost(), pace.pace)
        if now_ns - devices.supervisor.looked_ns > _BLIND_S * 1e9 + (now_ns - last_ns):
            raise RuntimeError("the supervisor has stopped looking after the workers")
        end_ns = time.monotonic_ns()
        pace.after_step(end_ns, (end_ns - last_ns - waited_ns) / 1e9, devices.supervisor.heat)
        devices.set_frame_rate(pace.pace.frame_rate_hz)
        waited_ns, last_ns = 0, end_ns
        hop_ns = round(pace.pace.hop_s * 1e9)
        next_ns += hop_ns
        if next_ns <= end_ns:
            next_ns += -(-(end_ns - next_ns) // hop_ns) * hop_ns


def _starter(
    name: str, log: WorkerLog, module: str, settings: dict[str, str], *rings: Ring
) -> Callable[[], subprocess.Popen[bytes]]:
    return lambda: start_worker(name, module, settings, rings, log.descriptor)
