"""Readings as a text file, one JSON record a line, and back again."""

from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from edge.errors import M3erError
from edge.publish.target import check_writable
from edge.reading import Reading


class JsonLines:
    """Writes each reading to ``path`` as it comes, so that others can follow the file while the run goes on.

    The file is opened, and an older one replaced, only when the first reading comes: a run that fails on bad
    input leaves what was there before.

    Raises:
        M3erError: ``path`` plainly cannot be written: it is a folder, or there is no permission.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._closed = False
        try:
            check_writable(path, "readings")
        except OSError as error:
            raise self._refusal(error) from error

    def publish(self, reading: Reading) -> None:
        """Add one line, which others can read when this returns.

        Raises:
            M3erError: the file cannot be opened or written, for instance because the disk is full.
        """
        if self._closed:  # to open it again would empty it
            raise RuntimeError(f"a reading came after {self._path} was closed")
        line = reading.to_json() + "\n"
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("w", buffering=1, encoding="utf-8", newline="\n")
            self._file.write(line)
        except OSError as error:
            raise self._refusal(error) from error

    def close(self) -> None:
        """Close the file; without a reading there is none.

        Raises:
            M3erError: the last lines could not be written.
        """
        self._closed = True
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> M3erError:
        return M3erError(
            f"cannot write readings to {self._path}: {error.strerror or error}; "
            "check the folder's permissions and free space, or name another file"
        )


def read_readings(path: Path) -> list[Reading]:
    """The readings of a file that ``JsonLines`` wrote, in its order.

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
                    raise M3erError(
                        f"{path}, line {number}: not a reading ({_first_fault(error)}); "
                        "remove the line, or record the file again"
                    ) from error
    except OSError as error:
        raise M3erError(
            f"cannot read readings from {path}: {error.strerror or error}; give a file that a run wrote"
        ) from error
    return readings


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    return f"{field}: {fault['msg']}" if field else fault["msg"]
