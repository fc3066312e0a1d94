"""What the program says about itself on stderr: lines for a person, or one JSON object a line for a machine."""

import json
import logging
import os
import queue
import sys
import threading
import time
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # Python 3.10 has no brackets for it

FORM_VARIABLE = "M3ER_LOG"
"""``text`` or ``json``; workers inherit it."""


def log_form() -> str:
    """The form that the environment asks for."""
    return os.environ.get(FORM_VARIABLE) or "text"


def start_logging(who: str = "") -> None:
    """Log to stderr in the form that the environment asks for.

    Args:
        who: the process, e.g. ``camera``; empty for the run itself.
    """
    handler = _Stderr()
    handler.setFormatter(
        _JsonLine(who) if log_form() == "json" else logging.Formatter(f"{who}: %(message)s" if who else "%(message)s")
    )
    logging.raiseExceptions = False  # a log that cannot be written must not fill another
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


_LAST_LINES_S = 0.2


class LogThread:
    """From now on lines are written by a thread: a terminal that was stopped must not stop whoever logs.

    Lines beyond a thousand that wait are lost.
    """

    _MOST_WAITING = 1000

    def __init__(self) -> None:
        root = logging.getLogger()
        self._lines: queue.Queue[logging.LogRecord] = queue.Queue(self._MOST_WAITING)
        self._writer = QueueListener(self._lines, *root.handlers)
        self._writer.start()
        root.handlers[:] = [QueueHandler(self._lines)]

    def finish(self, timeout_s: float) -> None:
        """Wait for what is not yet written, but no longer."""
        until_s = time.monotonic() + timeout_s
        while not self._lines.empty() and time.monotonic() < until_s:
            time.sleep(0.01)


class WorkerLog:
    """What workers say, handed on to ``sys.stderr`` as it is now: a live table on the terminal stays whole.

    Attributes:
        descriptor: the workers' stderr.
    """

    def __init__(self) -> None:
        self._read, self.descriptor = os.pipe()
        os.set_blocking(self.descriptor, False)  # a log that nobody takes must not stop a worker
        self._thread = threading.Thread(target=self._hand_on, name="workers' log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No worker is left."""
        os.close(self.descriptor)  # the thread reads the end and goes, unless stderr takes nothing
        self._thread.join(_LAST_LINES_S)

    def _hand_on(self) -> None:
        with os.fdopen(self._read, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                sys.stderr.write(line)


class _Stderr(_StreamHandler):
    """Writes to what ``sys.stderr`` is now: a live table on the terminal puts itself in its place."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _JsonLine(logging.Formatter):
    def __init__(self, who: str) -> None:
        super().__init__()
        self._who = who or "run"

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "monotonic_s": round(time.monotonic(), 3),
            "level": record.levelname.lower(),
            "process": self._who,
            "from": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
