"""Ours and others', in turns: a machine's moods meet both alike."""

from collections.abc import Callable, Mapping

from edge.bench.timing import interleaved
from export.bench.record import Peer

Calls = Mapping[str, Callable[[], object]]


def compare(group: str, ours: str, calls: Calls) -> list[Peer]:
    """Every call but `ours` against `ours`.

    Args:
        ours: which of the calls is ours.
    """
    timed = interleaved(calls)
    return [
        Peer(group=group, ours=ours, ours_us=timed[ours].cpu_us, theirs=name, theirs_us=timed[name].cpu_us)
        for name in calls
        if name != ours
    ]
