"""The process of one camera or one microphone: open it, publish what it gives, and open it again, for ever.

It never ends by itself. Where a driver hangs, the beats in the ring stop, and the supervisor kills the process.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edge.capture.device import Device, DeviceLost
from edge.capture.ring import Ring
from edge.capture.sample import Frame, Sample

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.3, 2.5
_LIVED_S = 10.0
"""A device that gave samples for so long is tried again at once."""

_log = logging.getLogger(__name__)


def main(settings: dict[str, Any], ring: Ring) -> None:
    """Of the worker: ``settings`` is ``{"kind": "camera" or "microphone", "source": …}``."""
    source = str(settings["source"])
    if settings["kind"] == "camera":
        import cv2

        from edge.capture.camera import open_camera

        cv2.setNumThreads(1)
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        capture(lambda: open_camera(source, lambda: ring.interval_ns), ring)
    else:
        from edge.capture.microphone import Microphone

        capture(lambda: Microphone(source), ring)


def capture(open_device: Callable[[], Device], ring: Ring) -> None:
    """Publish what the device gives, for ever.

    Args:
        open_device: opens it; raises DeviceLost where that fails.
    """
    pause_s, said = _FIRST_PAUSE_S, ""
    while True:
        opened_s = time.monotonic()
        try:
            _publish_all(open_device, ring)
        except DeviceLost as lost:
            # The log is for people: the same trouble is told once, until samples have come again.
            if lost.detail != said or ring.trouble is None:
                _log.warning("%s: %s", lost.reason, lost.detail)
            said = lost.detail
            ring.say(lost.reason)
        pause_s = _FIRST_PAUSE_S if time.monotonic() - opened_s > _LIVED_S else min(_LONGEST_PAUSE_S, 2 * pause_s)
        ring.beat()
        time.sleep(pause_s)


def _publish_all(open_device: Callable[[], Device], ring: Ring) -> None:
    """Until the device is lost."""
    ring.beat()
    device = open_device()
    try:
        while True:
            ring.beat()
            sample = device.read()
            if sample is not None:
                publish(sample, ring)
    finally:
        ring.beat()
        device.close()


def publish(sample: Sample, ring: Ring) -> None:
    """Put one sample into a ring."""
    if isinstance(sample, Frame):
        height, width, depth = sample.image.shape
        ring.write(sample.captured_ns, sample.image, (height, width, depth))
    else:
        ring.write(sample.captured_ns, sample.samples.view(np.uint8), (len(sample.samples), 1, 1))
    if ring.trouble is not None:
        _log.info("gives samples")
        ring.say(None)
