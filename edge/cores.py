"""Which of the processor's cores a process or a thread may run on."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edge.errors import M3erError
from edge.settings.layers import Merged


def check_cores(merged: Merged) -> None:
    """Raise M3erError, with the place of the setting, where one names a core that this machine does not give us."""
    there = os.sched_getaffinity(0)
    for who, cores in merged.settings.cores:
        missing = sorted(set(cores or ()) - there)
        if missing:
            raise M3erError(
                f"{merged.where(('cores', who))}: cores.{who}: there is no core {missing[0]} here; "
                f"allowed: {', '.join(map(str, sorted(there)))}"
            )


@contextmanager
def on_cores(cores: Sequence[int] | None) -> Iterator[None]:
    """Keep this thread, and those that it starts, on these cores; None: wherever it may run already."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
