"""Readings handed on by a thread of their own, so that a live run never waits for where they go."""

import logging
import math
import threading
import time
from collections import deque

from edge.errors import M3erError
from edge.publish.publisher import Publisher, ReaderGone
from edge.reading import Reading

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0
_FOR_WRITING = 0.75  # of the time that close has; the rest is the publisher's own, for its close


class Background:
    """A publisher in front of another one, which may be slow, fail for a while, or hang for ever.

    Readings wait in a queue and are handed on in order, each once. While the publisher raises M3erError, the same
    reading is tried again every 0.5 to 5 s. When the queue is full its oldest reading is dropped: a robot wants to
    know how things are now. Beginning and end of an outage are logged, and so is a publisher that is too slow. One
    that hangs cannot be told from one that takes long: whoever wants to know looks at ``waiting`` and ``dropped``.
    ReaderGone ends it. Any other exception is a bug and is logged with its traceback; readings are dropped then.

    Args:
        publisher: where the readings go; used by this object's thread alone, which also closes it.
        name: what it is, for the log: "the readings file".
        most: readings that may wait, at least 1, besides the one being handed on.
    """

    def __init__(self, publisher: Publisher, name: str, most: int = 600) -> None:
        self._publisher = publisher
        self._name = name
        self._most = most
        # Guards all below, and is never held while the publisher or the log works.
        self._change = threading.Condition()
        self._queue: deque[Reading] = deque()
        self._in_hand = 0  # 1 while a reading is with the publisher, or waits to be tried again
        self._dropped = 0
        self._stopped = False  # nothing is handed on any more
        self._closed = False
        self._stop_at_s: float | None = None  # of time.monotonic(), once close was called
        self._thread = threading.Thread(target=self._work, name=f"publish {name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Readings that were never written."""
        with self._change:
            return self._dropped

    @property
    def waiting(self) -> int:
        """Readings taken and not yet written."""
        with self._change:
            return self._in_hand + len(self._queue)

    def publish(self, reading: Reading) -> None:
        """Take one reading, in microseconds; never fails for a reason outside the program."""
        with self._change:
            if self._stop_at_s is not None:
                raise RuntimeError(f"a reading came after {self._name} was closed")
            if self._stopped:
                self._dropped += 1
                return
            if len(self._queue) >= self._most:
                self._queue.popleft()
                self._dropped += 1
            self._queue.append(reading)
            self._change.notify()

    def close(self, timeout_s: float = 1.0) -> None:
        """Give what waits time to be written, and the publisher to close; drop what is left.

        Returns after ``timeout_s`` at the latest. A publisher that still hangs then is left to its thread, which
        does not keep the program from ending.
        """
        with self._change:
            if self._closed:
                return
            self._closed = True
            self._stop_at_s = time.monotonic() + _FOR_WRITING * timeout_s
            self._change.notify()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            left = self._stop()
            _log.warning("%s: did not finish within %g s; readings missing: %d", self._name, timeout_s, left)

    def _work(self) -> None:
        try:
            self._hand_on_all()
        except ReaderGone as gone:
            _log.warning("%s: %s", self._name, gone)
        except BaseException:  # noqa: BLE001 - a bug of any kind, SystemExit too, must not end the thread unnoticed
            _log.exception("%s: a bug in the program; the run goes on without it", self._name)
        finally:
            left = self._stop()
            if left:
                _log.warning("%s: gave up; readings missing: %d", self._name, left)
            self._close_publisher()

    def _hand_on_all(self) -> None:
        told, behind = 0, False  # told: how many dropped readings the log knows of
        while (reading := self._take()) is not None:
            outage_s = self._hand_on(reading)
            if outage_s is None:
                return
            with self._change:
                if self._stopped:  # close gave it up, and it was written after all
                    self._dropped -= 1
                    return
                self._in_hand = 0
                dropped, caught_up = self._dropped, not self._queue
            if outage_s > 0:
                _log.warning("%s: works again after %.1f s; readings dropped: %d", self._name, outage_s, dropped - told)
                told = dropped
            elif dropped > told and not behind:
                _log.warning("%s: slower than readings come; the oldest are dropped", self._name)
                behind = True
            elif behind and caught_up:
                _log.warning("%s: has caught up; readings dropped: %d", self._name, dropped - told)
                told, behind = dropped, False

    def _take(self) -> Reading | None:
        """The next reading as soon as there is one; None at the end."""
        with self._change:
            self._change.wait_for(lambda: self._queue or self._stop_at_s is not None)
            if not self._queue or self._left_s() <= 0:
                return None
            self._in_hand = 1
            return self._queue.popleft()

    def _hand_on(self, reading: Reading) -> float | None:
        """Publish one reading. How long an outage kept it (s), 0 without one; None if close left no more time."""
        began_s, pause_s = 0.0, _FIRST_PAUSE_S
        while True:
            try:
                self._publisher.publish(reading)
            except ReaderGone:
                raise
            except M3erError as error:
                if self._stopped:  # close did not wait for it
                    return None
                if not began_s:
                    began_s = time.monotonic()
                    _log.warning("%s: %s (readings waiting: %d; trying again)", self._name, error, self.waiting)
                if not self._pause(pause_s):
                    return None
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return time.monotonic() - began_s if began_s else 0.0

    def _pause(self, pause_s: float) -> bool:
        """Wait before the next try, which comes at once when close is called; False if there is to be none."""
        with self._change:
            if self._stop_at_s is None:
                self._change.wait_for(lambda: self._stop_at_s is not None, pause_s)
                return True
            left_s = self._left_s()
            if left_s > 0:
                self._change.wait(min(pause_s, left_s))
            return left_s > 0

    def _left_s(self) -> float:
        return math.inf if self._stop_at_s is None else self._stop_at_s - time.monotonic()

    def _stop(self) -> int:
        """Hand on no more. How many were left, which now count as dropped."""
        with self._change:
            left = self._in_hand + len(self._queue)
            self._dropped += left
            self._in_hand = 0
            self._queue.clear()
            self._stopped = True
            return left

    def _close_publisher(self) -> None:
        try:
            self._publisher.close()
        except ReaderGone:
            return  # told before
        except M3erError as error:
            _log.warning("%s: %s", self._name, error)
        except Exception:  # noqa: BLE001 - a bug; the run has ended, or goes on without it
            _log.exception("%s: a bug in the program, when it was closed", self._name)
