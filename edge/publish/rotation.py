"""Readings as JSON lines for good: the file goes on after a restart, and older ones make room."""

from pathlib import Path

from edge.errors import M3erError
from edge.publish.json_lines import JsonLines
from edge.reading import Reading


class RotatingJsonLines:
    """Adds each reading to ``path``; a file that is full becomes ``path.1``, that one ``path.2``, and so on.

    A restarted program goes on where the one before ended; ``sequence`` begins at 0 again there. Files are renamed
    between two readings, the oldest first and each into a free place, so that at whatever moment the program is killed
    every reading is in exactly one file, and a larger number is older. Only the last file of a full row is ever
    replaced: together they take at most ``(keep + 1) * most_mb``.

    As with :class:`JsonLines`, a reading is safe from a crash of the program as soon as ``publish`` returns, and from a
    power cut once Linux has written it back, by its defaults within half a minute. The disk is waited for (fsync)
    when a file is full, before it is renamed, and at ``close``; never for a single reading: a memory card would not
    last.

    Args:
        path: the newest file. Through a link, the file it leads to is renamed; a pipe is only written to.
        most_mb: of 1,000,000 bytes, of each file; a single reading larger than that has a file of its own.
        keep: how many full files stay, at least 1.

    Raises:
        M3erError: ``path`` plainly cannot be written: it is a folder, or there is no permission.
    """

    def __init__(self, path: Path, most_mb: float = 64, keep: int = 5) -> None:
        self._path = path
        self._most_bytes = most_mb * 1e6
        self._keep = keep
        self._lines = JsonLines(path, append=True)

    def publish(self, reading: Reading) -> None:
        """Add one line, which others can read when this returns.

        Raises:
            M3erError: the file cannot be written, or not be renamed. The reading is in no file; publish it again.
        """
        if self._is_full(len(reading.to_json().encode()) + 1):
            self._rotate()
        self._lines.publish(reading)

    def close(self) -> None:
        """Close the file when the disk has all of it.

        Raises:
            M3erError: the last lines could not be written.
        """
        self._lines.close()

    def _is_full(self, line_bytes: int) -> bool:
        try:
            there = self._path.stat().st_size  # 0 for a pipe
        except OSError:  # it is not there; or its disk is gone, which JsonLines tells when it writes
            return False
        return there > 0 and there + line_bytes > self._most_bytes

    def _rotate(self) -> None:
        full, self._lines = self._lines, JsonLines(self._path, append=True)
        full.close()  # the disk has all of it
        try:
            path = self._path.resolve()
            places = [path.with_name(f"{path.name}.{number}") for number in range(1, self._keep + 1)]
            # A rotation that was cut short has left a free place: the older ones stay where they are.
            free = next((number for number, place in enumerate(places) if not place.exists()), self._keep - 1)
            for number in range(free, 0, -1):
                places[number - 1].replace(places[number])
            path.replace(places[0])
        except OSError as error:
            raise M3erError(
                f"cannot rename the readings in {self._path}: {error.strerror or error}; "
                "check the folder's permissions, or name another file"
            ) from error
