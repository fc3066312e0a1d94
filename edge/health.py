"""What the service manager is told: ready, alive, stopping. Without one, nothing."""

import logging
import os
import socket

_log = logging.getLogger(__name__)


class ServiceManager:
    """systemd's notification socket, as in sd_notify(3).

    Attributes:
        watchdog_s: how often it wants to hear that the run is alive; None: never.
    """

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self._heard = True
        ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(microseconds) / 1e6 if ours and microseconds.isdigit() else None

    def ready(self) -> None:
        """The first reading is out."""
        self._tell("READY=1")

    def alive(self) -> None:
        """The loop has made a step; said from nowhere else."""
        if self.watchdog_s is not None:
            self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._tell("STATUS=" + " ".join(text.split()))

    def stopping(self) -> None:
        """The run ends because it was asked to."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:  # it must not take the readings along
            if self._heard:
                _log.warning("the service manager does not listen (%s)", error)
            self._heard = False
        else:
            self._heard = True
