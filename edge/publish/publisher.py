"""What the runtime asks of every place where readings go."""

from typing import Protocol

from edge.errors import M3erError
from edge.reading import Reading


class ReaderGone(M3erError):
    """Nobody takes readings there any more, and nobody will: it is no use to try again."""


RECORDING = "RECORDING picture and sound"
"""What whoever watches must see all the time while a run writes more than readings."""


class Publisher(Protocol):
    """Takes one reading per step, in order of time, until it is closed.

    One thread at a time calls it, not always the one that made it. Where the next step must not wait, as in a live
    run, it is wrapped in ``Background``.
    """

    def publish(self, reading: Reading) -> None:
        """Hand over one reading; returns within a few milliseconds when all is well.

        Raises:
            M3erError: the reading cannot be written where the user asked for it. Nothing of it was: the same
                reading may be handed over again. Every other exception is a bug.
        """
        ...

    def close(self) -> None:
        """Finish what is being written and let go of it. Call it on every way out of a run, once or more.

        Raises:
            M3erError: what had been handed over could not be written to the end.
        """
        ...
