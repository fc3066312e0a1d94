"""The process of one camera or one microphone: open it, publish what it gives, and open it again, for ever.

It never ends by itself. Where a driver hangs, the beats in the ring stop, and the supervisor kills the process.
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from edge.capture.device import Device, DeviceLost
from edge.capture.ring import Ring
from edge.capture.ring_samples import write_sample

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.3, 2.5
_STEADY_S = 1.5
_LIVED_S = 10.0
"""A device that gave samples for so long is tried again at once."""

_log = logging.getLogger(__name__)


def main(settings: dict[str, Any], ring: Ring) -> None:
    """Of the worker: ``settings`` is ``{"kind": "camera" or "microphone", "source": …}``.

    A camera's may hold ``form``, the fields of :class:`edge.capture.camera.PictureForm`.
    """
    source = str(settings["source"])
    if settings["kind"] == "camera":
        import cv2

        from edge.capture.camera import PictureForm, open_camera
        from edge.quiet import quiet_opencv

        cv2.setNumThreads(1)
        quiet_opencv()
        form = PictureForm(**settings.get("form", {}))
        capture(lambda: open_camera(source, lambda: ring.interval_ns, form), ring)
    else:
        from edge.capture.microphone import Microphone

        capture(lambda: Microphone(source), ring)


def capture(open_device: Callable[[], Device], ring: Ring) -> None:
    """Publish what the device gives, for ever.

    The log is for people: each trouble is told once, until samples have come steadily again.

    Args:
        open_device: opens it; raises DeviceLost where that fails.
    """
    pause_s, told, steady = _FIRST_PAUSE_S, set[str](), False
    while True:
        opened_s = time.monotonic()
        try:
            for lived_s in _publish_all(open_device, ring):
                if not steady and lived_s > _STEADY_S:
                    _log.info("gives samples")
                    steady = True
                    told.clear()
        except DeviceLost as lost:
            if lost.detail not in told:
                _log.warning("%s: %s", lost.reason, lost.detail)
            told.add(lost.detail)
            steady = False
            ring.say(lost.reason)
        pause_s = _FIRST_PAUSE_S if time.monotonic() - opened_s > _LIVED_S else min(_LONGEST_PAUSE_S, 2 * pause_s)
        ring.beat()
        time.sleep(pause_s)


def _publish_all(open_device: Callable[[], Device], ring: Ring) -> Iterator[float]:
    """Until the device is lost; after each sample, for how long they have come."""
    ring.beat()
    device = open_device()
    try:
        began_s = None
        while True:
            ring.beat()
            sample = device.read()
            if sample is None:
                continue
            write_sample(ring, sample)
            if ring.trouble is not None:
                ring.say(None)
            began_s = began_s or time.monotonic()
            yield time.monotonic() - began_s
    finally:
        ring.beat()
        device.close()
