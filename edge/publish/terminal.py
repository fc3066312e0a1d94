"""Readings for a person who watches: a live table on a terminal, a few plain lines in a log."""

import errno
import math
import os
import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live

from edge.errors import M3erError
from edge.publish.publisher import ReaderGone
from edge.publish.terminal_table import reading_line, reading_table
from edge.reading import Reading

_REFRESH_S = 0.25


class _PipeConsole(Console):
    """Says that nobody reads any more as every file does; Rich would end the program."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class Terminal:
    """Shows the newest reading, redrawn at most four times a second; the last one stays on screen.

    Where nothing can be redrawn (a pipe, a log, a terminal without Unicode) it prints one line per second of
    readings instead.

    Args:
        labels: the bundle's emotions, in the order of their rows.
        console: where to draw; standard output if None.
        total_s: length of the file being read, for a progress bar; None when it has no known end.
        recording: picture and sound are written somewhere, which must be seen all the time.
    """

    def __init__(
        self,
        labels: Sequence[str],
        console: Console | None = None,
        total_s: float | None = None,
        recording: bool = False,
    ) -> None:
        self._labels, self._recording = tuple(labels), recording
        self._total_s = total_s
        self._console = console or _PipeConsole()
        can_redraw = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live: Live | None = None
        if can_redraw and not self._console.options.ascii_only:
            # Redrawn when a reading comes, not by a thread of its own: nothing else on it moves.
            self._live = Live(console=self._console, auto_refresh=False)
        self._pending: Reading | None = None
        self._drawn_at_s = -math.inf
        self._printed_second = -1

    def publish(self, reading: Reading) -> None:
        """Show the reading, unless one was shown a moment ago.

        Raises:
            M3erError: nobody reads any more, for instance because a pipe was closed.
        """
        self._pending = reading
        if self._live is not None:
            due = time.monotonic() - self._drawn_at_s >= _REFRESH_S
        else:
            due = int(reading.t) > self._printed_second
        if due:
            self._show(reading)

    def close(self) -> None:
        """Show the last reading, if it was held back, and give the terminal back."""
        try:
            if self._pending is not None:
                self._show(self._pending)
        finally:
            if self._live is not None:
                self._live.stop()

    def _show(self, reading: Reading) -> None:
        try:
            self._draw(reading)
        except BrokenPipeError:
            raise ReaderGone("nobody reads the printed readings any more") from None
        except OSError as error:
            raise M3erError(f"cannot print readings: {error.strerror or error}") from error

    def _draw(self, reading: Reading) -> None:
        self._pending = None
        if self._live is None:
            self._printed_second = int(reading.t)
            encoding = self._console.encoding
            line = ("RECORDING " if self._recording else "") + reading_line(reading)
            line = line.encode(encoding, "replace").decode(encoding)
            self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
            return
        self._live.start()
        self._live.update(reading_table(reading, self._labels, self._total_s, self._recording), refresh=True)
        self._drawn_at_s = time.monotonic()
