"""Everything that a release must fulfil before a byte of it is written to a slot."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.bundle import MANIFEST, SELFTEST, Bundle, Manifest, open_bundle, read_manifest
from edge.errors import M3erError
from edge.m3er.check import Rule
from edge.method import Method
from edge.selftest.stored import check_self_test
from edge.settings.settings import Settings
from edge.update.archive import ReleaseArchive
from edge.update.durable import make_folder, sync_folder, write_new
from edge.update.release import (
    BUNDLE,
    RELEASE,
    RELEASE_BYTES,
    SHIPPED_VERSION,
    SIGNATURE,
    SIGNATURE_BYTES,
    Release,
    read_release,
    release_id,
)
from edge.update.slots import Installed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_MANIFEST_BYTES = 1024 * 1024
_MANIFEST_NAME = f"{BUNDLE}/{MANIFEST}"


SettingsFor = Callable[[Bundle], Settings]
"""How a bundle's nets run here: a board's profile may ask for files that only some bundles have."""


@dataclass(frozen=True)
class Signed:
    """A release whose maker is known and whose parts, as listed, are all there."""

    release: Release
    id: str
    release_text: bytes
    signature: bytes
    manifest: Manifest
    manifest_text: bytes

    @property
    def total_bytes(self) -> int:
        """Of all files, unpacked."""
        files = sum(entry.bytes for entry in self.manifest.files.values())
        return files + len(self.manifest_text) + len(self.release_text) + len(self.signature)


def read_signed(archive: ReleaseArchive, keys: "Mapping[str, Ed25519PublicKey]") -> Signed:
    """Believe the signature first, then what is signed, then what that vouches for.

    Raises:
        M3erError: why the file is refused.
    """
    from edge.update.signature import signer

    where = str(archive.path)
    text = archive.read(RELEASE, RELEASE_BYTES)
    signature = archive.read(SIGNATURE, SIGNATURE_BYTES)
    key = signer(text, signature, keys, where)
    release = read_release(text, where)
    if release.key != key:
        raise M3erError(f"{where}: signed with key {key}, but says {release.key}; ask its maker for another")
    manifest_text = archive.read(_MANIFEST_NAME, _MANIFEST_BYTES)
    if hashlib.sha256(manifest_text).hexdigest() != release.manifest_sha256:
        raise M3erError(f"{where}: {_MANIFEST_NAME}: altered, its checksum is not the release's; get the file again")
    manifest = read_manifest(Path(where) / _MANIFEST_NAME, manifest_text)
    if manifest.name != release.name:
        raise M3erError(f"{where}: a release of {release.name} that holds a bundle named {manifest.name}")
    _check_listed(archive, manifest)
    return Signed(release, release_id(text), text, signature, manifest, manifest_text)


def check_board(release: Release, board: str, where: str) -> None:
    """Raise M3erError if the release is for other boards; `board` is this one's name, empty where it is not known."""
    if release.boards and board not in release.boards:
        this = f"this board is {board}" if board else "this board is not known, name it with --board"
        raise M3erError(f"{where}: only for {', '.join(release.boards)}; {this}")


def check_version(release: Release, installed: Installed | None, where: str) -> bool:
    """Whether the release is newer than what is installed; False: it is the same.

    Raises:
        M3erError: it is older, or another one of the same version.
    """
    if installed is None:
        return release.version > SHIPPED_VERSION
    here = installed.release
    if release.version > here.version:
        return True
    if (release.version, release.manifest_sha256) == (here.version, here.manifest_sha256):
        return False
    what = "another bundle of the same version as" if release.version == here.version else "older than"
    raise M3erError(
        f"{where}: version {release.version} is {what} the installed {here}; if you mean it, --allow-downgrade"
    )


def unpack(archive: ReleaseArchive, signed: Signed, folder: Path) -> None:
    """Write a slot's content to a new folder; all of it is on the disk when this returns.

    Raises:
        M3erError: a file is not what the manifest says.
        OSError: the disk.
    """
    make_folder(folder)
    bundle = folder / BUNDLE
    make_folder(bundle)
    write_new(folder / RELEASE, [signed.release_text])
    write_new(folder / SIGNATURE, [signed.signature])
    write_new(bundle / MANIFEST, [signed.manifest_text])
    folders = {bundle, folder}
    for name, entry in signed.manifest.files.items():
        path = bundle / name
        for parent in [p for p in reversed(path.parents) if bundle in p.parents]:
            make_folder(parent)
            folders.add(parent)
        write_new(path, archive.pieces(f"{BUNDLE}/{name}", entry))
    for parent in sorted(folders, reverse=True):  # the deepest first
        sync_folder(parent)


def try_release(folder: Path, settings_for: SettingsFor) -> Manifest:
    """Open a release's bundle as the run will, on this very board, and let it prove that its answers are right.

    Raises:
        M3erError: anything of it does not work; or it has no self-test, without which no release is installed.
    """
    method = open_method(folder, settings_for, prove=True)
    if SELFTEST not in method.bundle.manifest.files:
        raise M3erError(f"{folder}: has no self-test; write one with `m3er-export self-test`, and sign it anew")
    return method.bundle.manifest


def open_method(folder: Path, settings_for: SettingsFor, rule: Rule = "full", prove: bool = False) -> Method:
    """A bundle, opened and ready on this very board.

    Args:
        prove: its self-test, if it has one, must pass.

    Raises:
        M3erError: anything of it does not work.
    """
    bundle = open_bundle(folder)
    settings = settings_for(bundle)
    if prove and SELFTEST in bundle.manifest.files:
        check_self_test(bundle, settings)
    return Method(bundle, rule, settings)


def _check_listed(archive: ReleaseArchive, manifest: Manifest) -> None:
    wanted = {f"{BUNDLE}/{name}": entry.bytes for name, entry in manifest.files.items()}
    for name, size in wanted.items():
        if name not in archive.sizes:
            raise M3erError(f"{archive.path}: lacks {name}; get the file again")
        if archive.sizes[name] != size:
            raise M3erError(f"{archive.path}: {name} is not as large as the manifest says; get the file again")
    for name in archive.sizes.keys() - wanted.keys() - {RELEASE, SIGNATURE, _MANIFEST_NAME}:
        raise M3erError(f"{archive.path}: {name}: not in the manifest; get the file again")
