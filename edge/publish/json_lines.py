"""Readings as a text file, one JSON record a line, and back again."""

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from edge.errors import M3erError
from edge.publish.target import check_writable
from edge.reading import Reading

_log = logging.getLogger(__name__)

_LONGEST_LINE_BYTES = 1 << 20  # far more than a reading has


class JsonLines:
    """Writes each reading to ``path`` as it comes, so that others can follow the file while the run goes on.

    The file is opened, and an older one replaced, only when the first reading comes: a run that fails on bad
    input leaves what was there before. A line is handed to the kernel in one piece, and what a full disk took of
    one is cut off again: a reading whose ``publish`` raised is not in the file, and may be published again. A file
    that somebody moves or deletes during the run is made anew, and one put in its place is added to.

    A reading is safe from a crash of the program as soon as ``publish`` returns. That does not wait for the disk:
    a power cut loses what Linux has not yet written back by itself, by its defaults at most the last half minute.
    ``close`` waits for the disk (fsync).

    Args:
        path: the file.
        append: add to an older file, whose last line is cut off where it breaks off, instead of replacing it.

    Raises:
        M3erError: ``path`` plainly cannot be written: it is a folder, or there is no permission.
    """

    def __init__(self, path: Path, append: bool = False) -> None:
        self._path = path
        self._fd: int | None = None
        self._regular = False  # a pipe or a terminal cannot be cut back
        self._line_from: int | None = None  # bytes; where the line begins that is being written, or was not finished
        self._begun = append  # from then on nothing is replaced
        self._closed = False
        try:
            check_writable(path, "readings")
        except OSError as error:
            raise self._refusal(error) from error

    def publish(self, reading: Reading) -> None:
        """Add one line, which others can read when this returns.

        Raises:
            M3erError: the file cannot be opened or written, for instance because the disk is full. The reading is
                not in the file; publish it again when there is space.
        """
        if self._closed:  # to open it again would empty it
            raise RuntimeError(f"a reading came after {self._path} was closed")
        line = f"{reading.to_json()}\n".encode()
        try:
            self._add(self._current_file(), line)
        except OSError as error:
            raise self._refusal(error) from error

    def close(self) -> None:
        """Close the file when the disk has all of it; without a reading there is none.

        Raises:
            M3erError: the last lines could not be written.
        """
        self._closed = True
        fd, self._fd = self._fd, None
        if fd is None:
            return
        try:
            try:
                if self._regular:
                    self._cut_back(fd)
                    os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise self._refusal(error) from error

    def _current_file(self) -> int:
        """The file that the path leads to; opened anew where somebody moved or deleted the one before."""
        if self._fd is not None:
            if self._is_at_its_path(self._fd):
                return self._fd
            self._let_go()
        # A stick that was pulled out and comes back may hold half a line.
        line_from = _end_of_whole_lines(self._path) if self._begun and self._path.is_file() else None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace = 0 if self._begun else os.O_TRUNC
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | replace, 0o666)
        self._fd, self._line_from, self._begun = fd, line_from, True
        self._regular = stat.S_ISREG(os.fstat(fd).st_mode)
        return fd

    def _is_at_its_path(self, fd: int) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(fd))
        except FileNotFoundError:
            return False

    def _add(self, fd: int, line: bytes) -> None:
        if self._regular:
            self._cut_back(fd)
            self._line_from = os.fstat(fd).st_size
        try:
            while line:  # a disk that fills up takes a part; the next write says why
                line = line[os.write(fd, line) :]
        except OSError:
            if self._regular:
                with suppress(OSError):  # the next publish, or close, tries again and says why
                    self._cut_back(fd)
            else:
                self._let_go()  # or the pipe's next reader would find half a line before this one
            raise
        self._line_from = None

    def _cut_back(self, fd: int) -> None:
        """Take out again what there is of a line that was begun and not finished."""
        if self._line_from is not None:
            if os.fstat(fd).st_size > self._line_from:
                os.ftruncate(fd, self._line_from)
            self._line_from = None

    def _let_go(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            with suppress(OSError):  # its disk may be gone; what counts now is the next file
                self._cut_back(fd)
            self._line_from = None
            os.close(fd)

    def _refusal(self, error: OSError) -> M3erError:
        return M3erError(
            f"cannot write readings to {self._path}: {error.strerror or error}; "
            "check the folder's permissions and free space, or name another file"
        )


def _end_of_whole_lines(path: Path) -> int:
    """Bytes up to the end of the file's last whole line."""
    with path.open("rb") as file:
        begin = max(0, file.seek(0, os.SEEK_END) - _LONGEST_LINE_BYTES)
        file.seek(begin)
        return begin + file.read().rfind(b"\n") + 1


def read_readings(path: Path) -> list[Reading]:
    """The readings of a file that ``JsonLines`` wrote, in its order.

    A last line that breaks off is left out with a warning: power was cut, the run was killed (even one write can
    stop at the border of a page), or it is still writing.

    Raises:
        M3erError: the file cannot be read, or a line is not a reading; names the line, counted from 1.
    """
    readings: list[Reading] = []
    try:
        # As bytes, which break at newlines only: text may also break at other signs inside a transcript.
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    readings.append(Reading.model_validate_json(line))
                except ValidationError as error:
                    if _breaks_off(line, error):
                        _log.warning("%s, line %d: breaks off and is left out", path, number)
                        break
                    raise M3erError(f"{path}, line {number}: {_first_fault(error)}") from error
    except OSError as error:
        raise M3erError(
            f"cannot read readings from {path}: {error.strerror or error}; give a file that a run wrote"
        ) from error
    return readings


def _breaks_off(line: bytes, error: ValidationError) -> bool:
    """The beginning of a record, without an end; only a file's last line can be so."""
    return line.startswith(b"{") and not line.endswith(b"\n") and error.errors()[0]["type"] == "json_invalid"


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    if field == "schema" and fault["type"] != "missing":
        return f"its schema is {fault['input']!r:.20}, which this m3er-edge does not read; update m3er-edge"
    what = f"{field}: {fault['msg']}" if field else fault["msg"]
    return f"not a reading ({what}); remove the line, or record the file again"
