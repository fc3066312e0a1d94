"""Libraries that talk on stderr from C, where Python's logging cannot reach them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Nothing that is written to stderr inside is seen. For a library's start-up; its errors come as exceptions."""
    try:
        kept = os.dup(2)
    except OSError:  # a process without stderr has nothing to keep quiet
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def quiet_opencv() -> None:
    """OpenCV's log says nothing from now on: what matters is raised. Its switch moved with OpenCV 4.13."""
    import cv2  # not every process that has something to quieten reads pictures

    switches = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
    switches.setLogLevel(0)  # LOG_LEVEL_SILENT
