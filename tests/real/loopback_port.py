"""A TCP port of 127.0.0.1 that stays one's own while its server comes and goes."""

import socket


class LoopbackPort:
    """Held by a socket that is bound and never listens, beside which a server with SO_REUSEADDR can bind and listen.

    While no server listens, connections are refused; nobody else is given the port.
    """

    def __init__(self) -> None:
        self._socket = reusable_socket()
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


def reusable_socket() -> socket.socket:
    """A TCP socket that may bind to a port beside a LoopbackPort."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made
