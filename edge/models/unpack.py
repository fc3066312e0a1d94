"""Unpack a model's zip, and nothing but plain files beneath one folder."""

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from edge.errors import M3erError

_MOST_FILES = 1000
_MOST_GROWTH = 10  # Vosk's small models grow less than twofold


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of a zip to `folder`, which is made; a folder that holds all of them in the zip is left out.

    The files are on the disk, not only in its cache, when this returns.

    Raises:
        M3erError: no zip, damaged, or with something in it that a model has no need of.
        OSError: the disk.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            files = [entry for entry in zipped.infolist() if not entry.is_dir()]
            _check(archive, files)
            paths = [PurePosixPath(entry.filename) for entry in files]
            shared = len({path.parts[0] for path in paths}) == 1 and all(len(path.parts) > 1 for path in paths)
            folder.mkdir()
            for entry, path in zip(files, paths, strict=True):
                target = folder.joinpath(*path.parts[shared:])
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(entry) as packed, target.open("xb") as file:
                    shutil.copyfileobj(packed, file)  # gives no more bytes than the entry says, which are limited
                    file.flush()
                    os.fsync(file.fileno())
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise M3erError(f"{archive}: a damaged zip ({error}); fetch it again") from None


def _check(archive: Path, files: list[zipfile.ZipInfo]) -> None:
    strange = None
    if not 0 < len(files) <= _MOST_FILES:
        strange = f"{len(files)} files"
    elif sum(entry.file_size for entry in files) > _MOST_GROWTH * archive.stat().st_size:
        strange = "files that grow over ten times"
    for entry in files:
        path = PurePosixPath(entry.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or not path.parts:
            strange = f"the path {entry.filename!r}"
        elif stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            strange = f"{entry.filename!r}, which is no plain file"
        elif entry.flag_bits & 1:
            strange = f"{entry.filename!r}, which is encrypted"
    if strange is not None:
        raise M3erError(f"{archive}: holds {strange}; no model needs that, nothing was unpacked")
