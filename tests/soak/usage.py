"""What the processes of a run hold and use, looked at once a second."""

import time
from collections import defaultdict
from dataclasses import dataclass, field

from tests.soak.live_run import LiveRun, Process


@dataclass
class Usage:
    """All processes of one name over the run: a worker that was restarted has several.

    Attributes:
        times_s: monotonic, when it was looked at; one for each of ``pids``, ``memory_mb`` and ``files``.
        files: open descriptors.
        cpu_s: of each process, as it was last.
    """

    times_s: list[float] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    cpu_s: dict[int, float] = field(default_factory=dict)


class Watch:
    """Looks at all processes of a run while others wait."""

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        self._looks: list[tuple[float, Process]] = []

    def sleep(self, seconds: float) -> None:
        """Wait, and look at least once a second."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self.look()
            time.sleep(min(1.0, left_s))

    def look(self) -> None:
        """Now."""
        self._looks += [(time.monotonic(), process) for process in self._run.processes()]

    @property
    def usage(self) -> dict[str, Usage]:
        """By the name that each process had last: a worker that just began is not called anything of ours yet."""
        names = {process.pid: process.name for _, process in self._looks}
        usage: dict[str, Usage] = defaultdict(Usage)
        for time_s, process in self._looks:
            its = usage[names[process.pid]]
            its.times_s.append(time_s)
            its.pids.append(process.pid)
            its.memory_mb.append(process.memory_mb)
            its.files.append(process.files)
            its.cpu_s[process.pid] = process.cpu_s
        return dict(usage)
