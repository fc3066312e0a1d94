"""One visitor's connection: it takes little memory, whatever the other side does or leaves undone."""

import asyncio
import contextlib
from collections import deque
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

MOST_CONNECTIONS = 150
"""With those that fetch a file, or say nothing."""
_STUCK_S = 10.0


class Connection(ServerConnection):
    """Takes no more from a client that does not read, and drops it after 10 s.

    Args:
        family: all connections of the server; this one is in it as long as it lives.

    Attributes:
        is_client: it was let in as a WebSocket.
    """

    def __init__(self, family: "set[Connection]", *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_client = False
        self._family = family
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._family) >= MOST_CONNECTIONS:
            self.transport.abort()
        else:
            self._family.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._be_patient(False)
        self._family.discard(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read: nothing more is taken from it, and it has some seconds to go on."""
        super().pause_writing()
        self.transport.pause_reading()  # or pings would be answered without end, into memory
        self._be_patient(True)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.transport.resume_reading()
        self._be_patient(False)

    def _be_patient(self, patient: bool) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self.loop.call_later(_STUCK_S, self.transport.abort) if patient else None


class Outbox:
    """What waits for one client that was not ready; the oldest is forgotten when there is too much.

    Args:
        connection: of that client.
        most: messages that may wait.
    """

    def __init__(self, connection: Connection, most: int) -> None:
        self.connection = connection
        self._waiting: deque[str | bytes] = deque(maxlen=most)
        self._filled = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """The client has taken all that it was sent: the next message may go to it at once."""
        return not self._waiting and not self.connection.paused

    def put(self, message: str | bytes) -> None:
        """Never waits."""
        self._waiting.append(message)
        self._filled.set()

    async def send(self) -> None:
        """All that is put here, as fast as the client takes it, until it is gone."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._filled.wait()
                self._filled.clear()
                while self._waiting:
                    await self.connection.drain()  # while it is full the newest take the place of the oldest
                    if self._waiting:
                        await self.connection.send(self._waiting.popleft())
