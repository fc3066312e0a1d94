"""Keeps workers alive, for ever: one that died, gives nothing or hangs in a driver is killed and started again.

Only monotonic clocks. Nothing here waits for a worker: it is looked at ten times a second, killed with SIGKILL,
which no driver call can ignore, and reaped when the kernel lets go of it.
"""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.capture.ring import Ring
from edge.heat import read_heat

_LOOK_EVERY_S = 0.1
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 3.0
_LIVED_S = 10.0
"""A worker that gave samples for so long starts again with the shortest pause."""
_MOST_UNREAPED = 2
"""Processes that SIGKILL did not end (they hang inside the kernel); with more, none is started beside them."""
_HEAT_EVERY_S = 5.0
_END_GENTLY_S, _END_S = 0.3, 0.7

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a worker may take.

    Attributes:
        start_s: from its start to its first sign of life: imports, on a slow card.
        open_s: between two signs of life while it gives nothing: opening a device, loading a model.
        hang_s: between two signs of life else.
        stall_s: between two samples while it gives some; None: it may be silent.
    """

    start_s: float = 20.0
    open_s: float = 6.0
    hang_s: float = 2.0
    stall_s: float | None = 2.0


class Worker:
    """One worker process and its ring: started, watched, killed, started again.

    Args:
        name: for the log.
        start: starts the process.
        ring: what it publishes into, and where it says how it is.
    """

    def __init__(
        self, name: str, start: Callable[[], subprocess.Popen[bytes]], ring: Ring, patience: Patience | None = None
    ) -> None:
        self.name, self.ring = name, ring
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._start = start
        self._patience = patience or Patience()
        self._unreaped: list[subprocess.Popen[bytes]] = []
        self._pause_s = _FIRST_PAUSE_S
        self._start_at_ns = 0
        self._started_ns = 0
        self._live_since_ns: int | None = None
        self._published = (0, 0)

    def look(self, now_ns: int) -> None:
        """Start it if it is due, and see whether it is well. Never waits."""
        self._unreaped = [process for process in self._unreaped if process.poll() is None]
        if self.process is None:
            if now_ns >= self._start_at_ns and len(self._unreaped) < _MOST_UNREAPED:
                self._begin(now_ns)
            return
        status = self.process.poll()
        if status is not None:
            self._end("restarting", f"ended with status {status}", now_ns)
            return
        why = self._hangs(now_ns)
        if why is not None:
            self.process.kill()
            self._end("stalled", why + "; killed", now_ns)

    def end(self, gently: bool) -> bool:
        """Ask it to end, or kill it; True when nothing of it is left."""
        running = [p for p in [self.process, *self._unreaped] if p is not None and p.poll() is None]
        for process in running:
            process.send_signal(signal.SIGTERM if gently else signal.SIGKILL)
        return not running

    def _begin(self, now_ns: int) -> None:
        self.starts += 1
        self._started_ns, self._live_since_ns = now_ns, None
        self._published = (self.ring.published, now_ns)
        try:
            self.process = self._start()
        except OSError as error:  # no memory, too many processes: it may pass
            self._end("restarting", f"cannot be started ({error})", now_ns)

    def _hangs(self, now_ns: int) -> str | None:
        """Why it must be killed, or None."""
        beat_ns = self.ring.beat_ns
        if beat_ns < self._started_ns:
            silent_s = (now_ns - self._started_ns) / 1e9
            return f"no sign of life for {silent_s:.1f} s" if silent_s > self._patience.start_s else None
        if self.ring.published != self._published[0]:
            self._published = (self.ring.published, now_ns)
            if self._live_since_ns is None:
                self._live_since_ns = now_ns
            elif now_ns - self._live_since_ns > _LIVED_S * 1e9:
                self._pause_s = _FIRST_PAUSE_S
        if self.ring.trouble is None:
            quiet_s = (now_ns - max(self._published[1], self._started_ns)) / 1e9
            if self._patience.stall_s is not None and quiet_s > self._patience.stall_s:
                return f"no sample for {quiet_s:.1f} s"
        else:
            self._live_since_ns = None
        silent_s = (now_ns - beat_ns) / 1e9
        limit_s = self._patience.hang_s if self.ring.trouble is None else self._patience.open_s
        return f"hangs for {silent_s:.1f} s" if silent_s > limit_s else None

    def _end(self, trouble: str, why: str, now_ns: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self._unreaped.append(self.process)
        self.process = None
        self.ring.say(trouble)
        self._start_at_ns = now_ns + round(self._pause_s * 1e9)
        _log.warning("%s: %s; started again in %.1f s (start %d)", self.name, why, self._pause_s, self.starts + 1)
        self._pause_s = min(_LONGEST_PAUSE_S, 2 * self._pause_s)


class Supervisor:
    """Looks after workers from a thread of its own.

    Attributes:
        looked_ns: when it last looked, ``time.monotonic_ns``: whoever watches the run must watch this, too.
        heat: of the processor, as it was last.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = tuple(workers)
        self.looked_ns = time.monotonic_ns()
        self.heat = read_heat()
        self._stop = threading.Event()
        # Workers die with the thread that started them: this one, which ends with the process.
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start all workers, and look after them until :meth:`stop`."""
        self._thread.start()

    def stop(self) -> None:
        """End all workers: politely, then by force; within a second."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_END_GENTLY_S + _END_S)

    def _run(self) -> None:
        heat_ns = self.looked_ns
        while not self._stop.is_set():
            self.looked_ns = time.monotonic_ns()
            for worker in self.workers:
                worker.look(self.looked_ns)
            if self.looked_ns - heat_ns > _HEAT_EVERY_S * 1e9:
                heat_ns, self.heat = self.looked_ns, read_heat()
            self._stop.wait(_LOOK_EVERY_S)
        for gently, limit_s in ((True, _END_GENTLY_S), (False, _END_S)):
            until_s = time.monotonic() + limit_s
            waiting = [worker for worker in self.workers if not worker.end(gently)]
            while waiting and time.monotonic() < until_s:
                time.sleep(0.01)
                waiting = [w for w in waiting if not w.end(gently)]
            if not waiting:
                return
