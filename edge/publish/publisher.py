"""What the runtime asks of every place where readings go."""

from typing import Protocol

from edge.reading import Reading


class Publisher(Protocol):
    """Takes one reading per step, in order of time, until it is closed."""

    def publish(self, reading: Reading) -> None:
        """Hand over one reading; returns within a few milliseconds, since the next step waits for it.

        Raises:
            M3erError: the reading cannot be written where the user asked for it.
        """
        ...

    def close(self) -> None:
        """Finish what is being written and let go of it. Call it on every way out of a run, once or more.

        Raises:
            M3erError: what had been handed over could not be written to the end.
        """
        ...
