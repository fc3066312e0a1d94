"""Every way in which a device or a worker is made to fail in a soak, and how its return is brought about."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from edge.reading import Modality
from tests.real.mjpeg_server import Mode
from tests.soak.live_run import LiveRun
from tests.soak.scene import Scene


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    Attributes:
        name: for table and picture.
        hits: the modalities that are lost by it.
        break_it, mend_it: what is done to the scene.
        noticed: whether readings must show it; a worker that is back at once, and a new picture size, need not.
        mends_itself: nothing is to be done for its return, and that counts from the fault on.
    """

    name: str
    hits: tuple[Modality, ...]
    break_it: Callable[[Scene, LiveRun], None]
    mend_it: Callable[[Scene, LiveRun], None]
    noticed: bool = True
    mends_itself: bool = False


def _nothing(scene: Scene, run: LiveRun) -> None:
    """It mends itself."""


def _camera(mode: Mode, noticed: bool = True) -> Fault:
    return Fault(
        f"camera: {mode}",
        ("face",),
        lambda scene, _: scene.camera.set_mode(mode),
        lambda scene, _: scene.camera.set_mode("live"),
        noticed,
    )


def _microphone(name: str, break_it: str, mend_it: str) -> Fault:
    return Fault(
        f"microphone: {name}",
        ("speech",),
        lambda scene, _: getattr(scene.microphone, break_it)(),
        lambda scene, _: getattr(scene.microphone, mend_it)(),
    )


def _worker(name: str, how: signal.Signals, hits: Modality) -> Fault:
    def strike(scene: Scene, run: LiveRun) -> None:
        for process in run.processes():
            if process.name == f"m3er-{name}":
                os.kill(process.pid, how)

    # SIGTERM is nothing to a stopped process, as to one that hangs in a driver: only SIGKILL ends it.
    what = "killed" if how == signal.SIGKILL else "hangs"
    return Fault(f"{name} worker {what}", (hits,), strike, _nothing, how != signal.SIGKILL, mends_itself=True)


def _break_both(scene: Scene, run: LiveRun) -> None:
    scene.camera.set_mode("refuse")
    scene.microphone.kill_daemon()


def _mend_both(scene: Scene, run: LiveRun) -> None:
    scene.camera.set_mode("live")
    scene.microphone.start_daemon()


FAULTS = (
    _camera("refuse"),
    _camera("never answer"),
    _camera("freeze"),
    _camera("same"),
    _camera("black"),
    _camera("covered"),
    _camera("close"),
    _camera("garbage"),
    _camera("truncated"),
    _camera("other size", noticed=False),
    _camera("slow"),
    _worker("camera", signal.SIGKILL, "face"),
    _worker("camera", signal.SIGSTOP, "face"),
    _microphone("daemon killed", "kill_daemon", "start_daemon"),
    _microphone("daemon stopped", "stop_daemon", "continue_daemon"),
    _microphone("source suspended", "suspend_source", "resume_source"),
    _microphone("source unloaded", "unload_source", "load_source"),
    _microphone("muted", "mute", "unmute"),
    _worker("microphone", signal.SIGKILL, "speech"),
    _worker("microphone", signal.SIGSTOP, "speech"),
    _worker("words", signal.SIGKILL, "text"),
    _worker("words", signal.SIGSTOP, "text"),
    Fault("both sensors gone", ("face", "speech"), _break_both, _mend_both),
)
