"""A release file as a zip, from whoever: nothing of it is believed, and never more of it read than is allowed."""

import hashlib
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from edge.bundle import FileEntry
from edge.errors import M3erError
from edge.update.release import BUNDLE, RELEASE, SIGNATURE

MOST_BYTES = 256 * 1024 * 1024
"""Of all files together, unpacked."""
_MOST_ENTRIES = 200
_MOST_DIRECTORY_BYTES = 64 * 1024
_PIECE_BYTES = 1024 * 1024
_NAME = re.compile(
    rf"{re.escape(RELEASE)}|{re.escape(SIGNATURE)}|{BUNDLE}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{{0,99}}){{1,4}}"
)
_END = struct.Struct("<4s4H2LH")
"""The last 22 bytes of a zip without a comment; a larger zip (zip64) has another record before it."""
_AGAIN = "get the file again"


class ReleaseArchive:
    """An open release file. ``with ReleaseArchive(path) as archive``.

    Attributes:
        sizes: of every file in it, as the zip declares them; names are plain paths.

    Raises:
        M3erError: it cannot be read, is no zip, or holds anything that no release holds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise M3erError(f"{path}: cannot be read ({error.strerror})") from None
        try:
            with _as_errors(path):
                _check_end(path, self._file)
                self._zip = zipfile.ZipFile(self._file)
                self._entries = _checked(path, self._zip.infolist())
        except BaseException:
            self._file.close()
            raise
        self.sizes = {name: entry.file_size for name, entry in self._entries.items()}

    def __enter__(self) -> "ReleaseArchive":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def read(self, name: str, most_bytes: int) -> bytes:
        """A small file's content. Raises M3erError if there is none, or it is larger."""
        entry = self._entry(name)
        if entry.file_size > most_bytes:
            raise M3erError(f"{self.path}: {name} has {entry.file_size} bytes, more than {most_bytes}; {_AGAIN}")
        with _as_errors(self.path), self._zip.open(entry) as stream:
            content = stream.read(most_bytes + 1)
        if len(content) != entry.file_size:
            raise M3erError(f"{self.path}: {name} is not as long as the zip says; {_AGAIN}")
        return content

    def pieces(self, name: str, wanted: FileEntry) -> Iterator[bytes]:
        """A file's content, piece by piece. Raises M3erError in the end if it is not what is wanted."""
        entry, digest, left = self._entry(name), hashlib.sha256(), wanted.bytes
        with _as_errors(self.path), self._zip.open(entry) as stream:
            while piece := stream.read(min(_PIECE_BYTES, left + 1)):
                digest.update(piece)
                left -= len(piece)
                if left < 0:
                    break
                yield piece
        if left != 0 or digest.hexdigest() != wanted.sha256:
            raise M3erError(f"{self.path}: {name}: altered, its checksum is not the manifest's; {_AGAIN}")

    def _entry(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._entries[name]
        except KeyError:
            raise M3erError(f"{self.path}: lacks {name}, so it is no release; {_AGAIN}") from None


def write_archive(out: Path, contents: Mapping[str, bytes | Path]) -> None:
    """Put files into a zip, whole or not at all; an older file is replaced. Raises OSError."""
    part = out.with_name(out.name + ".part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, content in contents.items():
                entry = zipfile.ZipInfo(name)  # of no time, so that the same release is the same file
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                zipped.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _as_errors(path: Path) -> Iterator[None]:
    """What zipfile raises about a file that is damaged, or made to do harm, as an error for a person."""
    try:
        yield
    except OSError as error:
        raise M3erError(f"{path}: cannot be read ({error.strerror or error}); {_AGAIN}") from None
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        RuntimeError,  # encrypted; NotImplementedError is one of them
        ValueError,  # UnicodeDecodeError is one of them
        OverflowError,
    ) as error:
        raise M3erError(f"{path}: a damaged release file ({error}); {_AGAIN}") from None


def _check_end(path: Path, file: IO[bytes]) -> None:
    """Before zipfile reads the list of files into memory: it is of a bearable length."""
    size = file.seek(0, os.SEEK_END)
    if size > MOST_BYTES + _MOST_DIRECTORY_BYTES:
        raise M3erError(f"{path}: {size / 1e6:.0f} MB, larger than any release")
    if size < _END.size:
        raise M3erError(f"{path}: not a release file (too short); {_AGAIN}")
    before = min(size - _END.size, 20)
    file.seek(size - _END.size - before)
    ahead, end = file.read(before), file.read(_END.size)
    magic, *_, entries, directory_bytes, _start, comment = _END.unpack(end)
    if magic != b"PK\5\6" or comment != 0:
        raise M3erError(f"{path}: not a release file (no zip, or it breaks off); {_AGAIN}")
    if entries > _MOST_ENTRIES or directory_bytes > _MOST_DIRECTORY_BYTES or ahead.startswith(b"PK\6\7"):
        raise M3erError(f"{path}: {entries} files in it, more than any release has; {_AGAIN}")


def _checked(path: Path, listed: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The entries by name, if each is a plain file where a release has one."""
    if len(listed) > _MOST_ENTRIES:
        raise M3erError(f"{path}: {len(listed)} files in it, more than any release has; {_AGAIN}")
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in listed:
        name = entry.orig_filename  # zipfile cuts `filename` at a NUL
        if not _NAME.fullmatch(name):
            strange = "a name that no release has"
        elif name in entries:
            strange = "twice in it"
        elif stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            strange = "no plain file"
        elif entry.flag_bits & 0x41:
            strange = "encrypted"
        elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            strange = "packed in a way that no release is"
        else:
            entries[name] = entry
            continue
        raise M3erError(f"{path}: {name[:200]!r}: {strange}; {_AGAIN}")
    if sum(entry.file_size for entry in listed) > MOST_BYTES:
        raise M3erError(f"{path}: its files are larger than {MOST_BYTES >> 20} MB; no release is")
    return entries
