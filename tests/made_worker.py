"""A worker process that does what a test asks of it."""

import signal
import time
from typing import Any

import numpy as np

from edge.capture.ring import Ring


def main(settings: dict[str, Any], ring: Ring) -> None:
    """Beat and publish every 50 ms; after ``after`` samples do ``then``."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as a driver call does
    if settings["then"] == "never begin":
        time.sleep(3600)
    count = 0
    while True:
        ring.beat()
        if count >= settings["after"]:
            if settings["then"] == "hang":
                time.sleep(3600)
            if settings["then"] == "die":
                raise SystemExit(3)
            if settings["then"] == "beat alone":
                time.sleep(0.05)
                continue
        ring.write(time.monotonic_ns(), np.zeros(4, np.uint8), (4, 1, 1))
        ring.say(None)
        count += 1
        time.sleep(0.05)
