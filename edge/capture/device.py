"""What capture asks of every device, and the one way in which a device says that it gives nothing."""

from typing import Protocol

from edge.capture.sample import Sample


class DeviceLost(Exception):
    """A device that cannot be opened, or that gives nothing any more. It is opened again, for ever.

    Attributes:
        reason: a few words for a reading, e.g. ``not found``.
        detail: one line for the log: which device, what it said, what to do.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Device(Protocol):
    """An opened camera or microphone. Any call may hang: it lives in a process that can be killed."""

    def read(self) -> Sample | None:
        """Wait for the next sample; None where it is one too many for the rate that is wanted.

        Raises:
            DeviceLost: there will be no more.
        """
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...
