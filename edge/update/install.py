"""Put a release into the slot that is not in use, then switch. Killed at any point: the old bundle, or the new."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import MANIFEST, Manifest, open_bundle
from edge.errors import M3erError
from edge.update.archive import ReleaseArchive
from edge.update.check import SettingsFor, Signed, check_board, check_version, read_signed, try_release, unpack
from edge.update.durable import remove, sync_folder
from edge.update.release import BUNDLE, RELEASE, SIGNATURE, Release, read_release
from edge.update.slots import SLOTS, Slots, locked
from edge.update.trial import SlotName, Trial

_SPARE_BYTES = 4 * 1024 * 1024
"""Left free on the disk for whoever else writes."""
_ONE_INSTALLER_S = 1.0


@dataclass(frozen=True)
class Outcome:
    """What an installation led to.

    Attributes:
        changed: False: it was installed already.
        at_next_start: a running service cannot take it over, as it has other labels or another hop.
    """

    release: Release
    changed: bool
    at_next_start: bool = False


def install(
    path: Path,
    slots: Slots,
    keys: Path,
    board: str,
    settings_for: SettingsFor,
    allow_downgrade: bool,
    say: Callable[[str], object],
) -> Outcome:
    """Check everything, unpack beside, try it, switch to it. It is then on trial.

    Args:
        path: the release file.
        keys: folder with the pinned public keys.
        board: this board's name, empty if it is not known.
        settings_for: how the nets will run here.
        allow_downgrade: an older version may take the place of a newer one.
        say: told what is being done, a few lines.

    Raises:
        M3erError: why not; what was in use is in use as before.
    """
    from edge.update.signature import pinned_keys

    trusted_keys = pinned_keys(keys)
    try:
        with ReleaseArchive(path) as archive:
            signed = read_signed(archive, trusted_keys)
            say(f"{path}: {signed.release}, signed by {signed.release.key}")
            check_board(signed.release, board, str(path))
            slots.make()
            with locked(slots.slots / "lock", _ONE_INSTALLER_S):
                return _install(archive, signed, slots, settings_for, allow_downgrade, say)
    except OSError as error:
        why = f"{error.filename or slots.folder}: {error.strerror}"
        remedy = "run this with sudo" if isinstance(error, PermissionError) else "make room, or see the system's log"
        raise M3erError(f"{why}; nothing was installed, {remedy}") from None


def verify(path: Path, slots: Slots, keys: Path, board: str, settings_for: SettingsFor, scratch: Path) -> Release:
    """All that an installation checks, in a scratch folder; nothing else is written.

    Raises:
        M3erError: why it would not be installed.
    """
    from edge.update.signature import pinned_keys

    trusted_keys = pinned_keys(keys)
    with ReleaseArchive(path) as archive:
        signed = read_signed(archive, trusted_keys)
        check_board(signed.release, board, str(path))
        check_version(signed.release, slots.installed(slots.current()), str(path))
        try:
            unpack(archive, signed, scratch / "slot")
        except OSError as error:
            raise M3erError(f"{error.filename or scratch}: {error.strerror}") from None
        _tried(archive, scratch / "slot" / BUNDLE, settings_for)
    return signed.release


def verify_slot(slots: Slots, keys: Path, board: str, settings_for: SettingsFor) -> None:
    """The installed bundle in use once more: signature, checksums, board, nets. Raises M3erError if any is wrong."""
    from edge.update.signature import pinned_keys, signer

    slot = slots.current()
    if slot is not None:
        folder = slots.slots / slot
        try:
            text, signature = (folder / RELEASE).read_bytes(), (folder / SIGNATURE).read_bytes()
            manifest_text = (folder / BUNDLE / MANIFEST).read_bytes()
        except OSError as error:
            raise M3erError(f"{error.filename}: {error.strerror}; install the release again") from None
        signer(text, signature, pinned_keys(keys), str(folder))
        release = read_release(text, str(folder))
        if hashlib.sha256(manifest_text).hexdigest() != release.manifest_sha256:
            raise M3erError(f"{folder / BUNDLE / MANIFEST}: altered; install the release again")
        check_board(release, board, str(folder))
    try_release(slots.bundle(slot), settings_for)


def _install(
    archive: ReleaseArchive,
    signed: Signed,
    slots: Slots,
    settings_for: SettingsFor,
    allow_downgrade: bool,
    say: Callable[[str], object],
) -> Outcome:
    staging, trash = slots.slots / "staging", slots.slots / "trash"
    for left_over in (staging, trash):
        remove(left_over)
    if not allow_downgrade and not check_version(signed.release, slots.installed(slots.current()), str(archive.path)):
        return Outcome(signed.release, changed=False)
    _check_room(slots, signed.total_bytes)
    try:
        unpack(archive, signed, staging)
        say("trying it on this machine")
        manifest = _tried(archive, staging / BUNDLE, settings_for)
        at_next_start = _differs(manifest, slots)
        _switch(slots, signed, staging, trash)
    finally:
        for left_over in (staging, trash):
            remove(left_over)
    return Outcome(signed.release, changed=True, at_next_start=at_next_start)


def _tried(archive: ReleaseArchive, folder: Path, settings_for: SettingsFor) -> Manifest:
    try:
        return try_release(folder, settings_for)
    except M3erError as error:
        raise M3erError(f"{archive.path}: does not work on this machine: {error}") from None


def _switch(slots: Slots, signed: Signed, staging: Path, trash: Path) -> None:
    """The few moments in which anything changes that the service looks at."""
    with slots.locked():
        trusted, current = slots.trusted(), slots.current()
        slot = _slot_to_fill(slots, trusted, current)
        if slot == current:  # it is on trial and gives way: nothing may change under `current`
            slots.use(trusted)
        target = slots.slots / slot
        if target.exists():
            target.rename(trash)
        staging.rename(target)
        sync_folder(slots.slots)
        slots.record(Trial(release=signed.id, slot=slot, previous=trusted))
        slots.use(slot)


def _slot_to_fill(slots: Slots, trusted: SlotName | None, current: SlotName | None) -> SlotName:
    """Never the one that has proved itself; not the one in use if it can be helped; best an empty one."""
    free = [slot for slot in SLOTS if slot not in (trusted, current)] or [s for s in SLOTS if s != trusted]
    return min(free, key=lambda slot: (slots.slots / slot).exists())


def _differs(manifest: Manifest, slots: Slots) -> bool:
    """Whether publishers that were told of the bundle in use would be wrong about this one."""
    try:
        here = open_bundle(slots.bundle(slots.current())).manifest
    except M3erError:
        return True
    return (here.labels, here.hop_s) != (manifest.labels, manifest.hop_s)


def _check_room(slots: Slots, needed_bytes: int) -> None:
    disk = os.statvfs(slots.slots)
    free = disk.f_bavail * disk.f_frsize
    if free < needed_bytes + _SPARE_BYTES:
        raise M3erError(
            f"{slots.slots}: {free / 1e6:.1f} MB are free, {(needed_bytes + _SPARE_BYTES) / 1e6:.1f} MB are needed; "
            "make room"
        )
