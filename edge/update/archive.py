"""A release file as a zip of the plainest kind, read from whoever: nothing in it is believed.

Any zip program opens it, but only one zip holds given files: not compressed (nets hardly shrink), one file behind the
other, of no time, without comments or extras. So every changed bit is found, nothing can hide between the files, and
nothing grows while it is unpacked. Python's zipfile reads far more than that, hence a few lines of our own.
"""

import hashlib
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import FileEntry
from edge.errors import M3erError
from edge.update.release import BUNDLE, RELEASE, SIGNATURE

MOST_BYTES = 256 * 1024 * 1024
"""Of a release file."""
_MOST_FILES = 200
_MOST_NAME_BYTES = 300
_NAME = re.compile(rf"{re.escape(RELEASE)}|{re.escape(SIGNATURE)}|{BUNDLE}(/[A-Za-z0-9_][A-Za-z0-9._-]*){{1,4}}")
_PIECE_BYTES = 1024 * 1024
_AGAIN = "get the file again"

# The records of a zip: PKWARE's APPNOTE, 4.3.7, 4.3.12 and 4.3.16.
_HEADER = struct.Struct("<4s5H3L2H")
_LISTED = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _UNIX = 20, 3
_NO_TIME, _NO_DATE = 0, 0x21
_MODE = (stat.S_IFREG | 0o644) << 16


@dataclass(frozen=True)
class _Entry:
    """A file in the zip: its size in bytes, its checksum, and where its header stands."""

    name: str
    size: int
    crc: int
    begin: int

    @property
    def header(self) -> bytes:
        name = self.name.encode("ascii")
        rest = (_VERSION, 0, 0, _NO_TIME, _NO_DATE, self.crc, self.size, self.size, len(name), 0)
        return _HEADER.pack(b"PK\3\4", *rest) + name

    @property
    def listed(self) -> bytes:
        name = self.name.encode("ascii")
        made_by = _UNIX << 8 | _VERSION
        form = (made_by, _VERSION, 0, 0, _NO_TIME, _NO_DATE, self.crc, self.size, self.size, len(name))
        return _LISTED.pack(b"PK\1\2", *form, 0, 0, 0, 0, _MODE, self.begin) + name

    @property
    def data(self) -> int:
        """Where the content begins."""
        return self.begin + _HEADER.size + len(self.name)


class ReleaseArchive:
    """An open release file. ``with ReleaseArchive(path) as archive``.

    Attributes:
        sizes: of every file in it; names are plain paths.

    Raises:
        M3erError: it cannot be read, or is not of the one form that releases have.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
            try:
                self._entries = self._read_entries()
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise M3erError(f"{path}: cannot be read ({error.strerror})") from None
        self.sizes = {name: entry.size for name, entry in self._entries.items()}

    def __enter__(self) -> "ReleaseArchive":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def read(self, name: str, most_bytes: int) -> bytes:
        """A small file's content. Raises M3erError if there is none, it is larger, or damaged."""
        size = self._entry(name).size
        if size > most_bytes:
            raise M3erError(f"{self.path}: {name} has {size} bytes, more than {most_bytes}; {_AGAIN}")
        return b"".join(self._pieces(name))

    def pieces(self, name: str, wanted: FileEntry) -> Iterator[bytes]:
        """A file's content, piece by piece. Raises M3erError in the end if it is not what is wanted."""
        digest = hashlib.sha256()
        for piece in self._pieces(name):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != wanted.sha256:
            raise M3erError(f"{self.path}: {name}: altered, its checksum is not the manifest's; {_AGAIN}")

    def _pieces(self, name: str) -> Iterator[bytes]:
        entry = self._entry(name)
        at, left, crc = entry.data, entry.size, 0
        while left:
            try:
                self._file.seek(at)
                piece = self._file.read(min(_PIECE_BYTES, left))
            except OSError as error:
                raise M3erError(f"{self.path}: cannot be read ({error.strerror})") from None
            if not piece:
                raise self._refused("breaks off")
            crc = zlib.crc32(piece, crc)
            at, left = at + len(piece), left - len(piece)
            yield piece
        if crc != entry.crc:
            raise self._refused(f"{name}: altered, its checksum is not the zip's")

    def _entry(self, name: str) -> _Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise M3erError(f"{self.path}: lacks {name}, so it is no release; {_AGAIN}") from None

    def _read_entries(self) -> dict[str, _Entry]:
        """Walk from file to file; what comes behind them must be the list of just these."""
        size = self._file.seek(0, os.SEEK_END)
        if size > MOST_BYTES:
            raise M3erError(f"{self.path}: {size / 1e6:.0f} MB, larger than any release")
        entries: dict[str, _Entry] = {}
        at = 0
        while (entry := self._entry_at(at, size)) is not None:
            if entry.name in entries:
                raise self._refused(f"{entry.name} is twice in it")
            entries[entry.name] = entry
            if len(entries) > _MOST_FILES:
                raise self._refused(f"more than {_MOST_FILES} files in it")
            at = entry.data + entry.size
        wanted = _directory(list(entries.values()), at)
        self._file.seek(at)
        if self._file.read(len(wanted) + 1) != wanted:
            raise self._refused("its list of files is damaged, or it breaks off")
        return entries

    def _entry_at(self, at: int, size: int) -> _Entry | None:
        """The file whose header stands there; None where another record does."""
        self._file.seek(at)
        found = self._file.read(_HEADER.size + _MOST_NAME_BYTES)
        if not found.startswith(b"PK\3\4"):
            if at == 0:
                raise self._refused("no zip, or damaged")
            return None
        if len(found) < _HEADER.size:
            raise self._refused("breaks off")
        *_, packing, _time, _date, crc, _packed, unpacked, name_bytes, _extra = _HEADER.unpack_from(found)
        if packing != 0:
            raise self._refused("compressed, which no release is")
        raw = found[_HEADER.size : _HEADER.size + name_bytes]
        name = raw.decode("ascii", errors="backslashreplace")
        if not _NAME.fullmatch(name):
            raise self._refused(f"a file named {name[:100]!r} in it, which no release has")
        entry = _Entry(name, unpacked, crc, at)
        if not found.startswith(entry.header):
            raise self._refused(f"{name}: its header is not as a release has it")
        if entry.data + entry.size > size:
            raise self._refused(f"{name}: breaks off")
        return entry

    def _refused(self, why: str) -> M3erError:
        return M3erError(f"{self.path}: not a release file, or a damaged one: {why}; {_AGAIN}")


def write_archive(out: Path, contents: Mapping[str, bytes]) -> None:
    """Put files into a release file, whole or not at all; an older one is replaced. Raises OSError."""
    part = out.with_name(out.name + ".part")
    entries, at = [], 0
    try:
        with part.open("wb") as file:
            for name, content in contents.items():
                entry = _Entry(name, len(content), zlib.crc32(content), at)
                entries.append(entry)
                at += file.write(entry.header) + file.write(content)
            file.write(_directory(entries, at))
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _directory(entries: Sequence[_Entry], at: int) -> bytes:
    """The list of files, which ends a zip; `at` is where it begins."""
    listed = b"".join(entry.listed for entry in entries)
    return listed + _END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), len(listed), at, 0)
